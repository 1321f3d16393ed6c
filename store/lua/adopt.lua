-- Keep a value unless there is one, and return the one that stands.
-- KEYS[1] value, string   ARGV[1] value [2] lifetime, ms
-- Returns the value that stands.
local stands = redis.call('GET', KEYS[1])
if stands then return stands end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
