-- End the lease, forget the steps, and wake the customer's watchers.
-- KEYS[1] opening, hash   ARGV[1] token [2] channel
-- Returns 1, or 0 if the token does not hold the lease.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local f = redis.call('HMGET', KEYS[1], 'token', 'until')
if f[1] ~= ARGV[1] or now >= tonumber(f[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'wake')
return 1
