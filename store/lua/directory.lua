-- Read a customer's directory.
-- KEYS[1] directory, hash
-- Returns {1 if it is known that the desk knew of no conversation or 0, {field, value, …}}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local nothing = redis.call('HGET', KEYS[1], 'nothing')
return {nothing and now < tonumber(nothing) and 1 or 0, redis.call('HGETALL', KEYS[1])}
