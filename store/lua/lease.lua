-- Take or renew the lease on opening a conversation for a customer, unless somebody else holds it. A length of 0 only
-- asks for it.
-- KEYS[1] opening, hash   ARGV[1] token [2] length of the lease, ms [3] lifetime, ms
-- Returns {1 if held or 0, ms for which another holds it, generation, conversation, done; nil if not recorded}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local f = redis.call('HMGET', KEYS[1], 'token', 'until', 'generation', 'conversation', 'done')
local left = f[2] and f[2] - now or 0
if f[1] ~= ARGV[1] and left > 0 then return {0, left, f[3], f[4], f[5]} end
if ARGV[2] ~= '0' then
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'until', now + ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return {1, 0, f[3], f[4], f[5]}
