-- Record how far an opening has come, renew its lease, and wake the customer's watchers.
-- KEYS[1] opening, hash   ARGV[1] token [2] length of the lease, ms [3] lifetime, ms [4] channel [5] generation
-- [6] conversation [7] done
-- Returns 1, or 0 if the token does not hold the lease.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local f = redis.call('HMGET', KEYS[1], 'token', 'until')
if f[1] ~= ARGV[1] or now >= tonumber(f[2]) then return 0 end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2], 'generation', ARGV[5], 'conversation', ARGV[6], 'done', ARGV[7])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], 'wake')
return 1
