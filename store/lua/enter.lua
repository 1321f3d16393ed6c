-- Enter conversations in a customer's directory, or only that the desk knows of none.
-- KEYS[1] directory, hash   ARGV[1] lifetime, ms, then generation and conversation of each
local key = KEYS[1]
if #ARGV == 1 then
  local time = redis.call('TIME')
  redis.call('HSET', key, 'nothing', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1])
else
  redis.call('HSET', key, unpack(ARGV, 2))
end
if redis.call('PTTL', key) < tonumber(ARGV[1]) then redis.call('PEXPIRE', key, ARGV[1]) end
return 1
