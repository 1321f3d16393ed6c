-- Claim a look at the desk, if none was claimed lately.
-- KEYS[1] conversation, hash   ARGV[1] how lately, ms [2] lifetime, ms
-- Returns 1 if the look is the caller's, or 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local looked = redis.call('HGET', KEYS[1], 'looked')
-- A look in the future was noted by another server, before a failover.
if looked and now >= tonumber(looked) and now - looked < tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'looked', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
