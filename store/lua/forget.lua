-- Forget a question, and wake the customer's watchers.
-- KEYS[1] saying, hash   ARGV[1] nonce [2] channel
-- Returns 1, or 0 if there is no such record.
if redis.call('HGET', KEYS[1], 'nonce') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'wake')
return 1
