-- Rewrite the record of a question that is not said yet, and wake the customer's watchers.
-- KEYS[1] saying, hash   ARGV[1] nonce [2] generation [3] conversation [4] hash of the text [5] cursor [6] life, ms
-- [7] channel [8] hold, ms
-- Returns 1, or 0 if there is no such record or it is said already.
local key = KEYS[1]
local f = redis.call('HMGET', key, 'nonce', 'index')
if f[1] ~= ARGV[1] or f[2] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', key, 'generation', ARGV[2], 'conversation', ARGV[3], 'hash', ARGV[4], 'after', ARGV[5],
  'until', now + ARGV[8])
if redis.call('PTTL', key) < tonumber(ARGV[6]) then redis.call('PEXPIRE', key, ARGV[6]) end
redis.call('PUBLISH', ARGV[7], 'wake')
return 1
