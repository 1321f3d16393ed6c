-- Raise the cursor of what a customer has been told.
-- KEYS[1] directory, hash   ARGV[1] cursor [2] its generation [3] its index [4] lifetime, ms
local told = redis.call('HGET', KEYS[1], 'told')
if told then
  local generation, index = string.match(told, '^(%d+)%-(%-?%d+)%-')
  if not generation then return redis.error_reply('ERR told is not a cursor: ' .. told) end
  generation, index = tonumber(generation), tonumber(index)
  local given = tonumber(ARGV[2])
  if given < generation or given == generation and tonumber(ARGV[3]) <= index then return 0 end
end
redis.call('HSET', KEYS[1], 'told', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
