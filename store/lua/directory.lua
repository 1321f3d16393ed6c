-- Read a customer's directory.
-- KEYS[1] directory, hash
-- Returns {1 if it is known that the desk knew of no conversation or 0, {field, value, …}}.
local all, nothing = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #all, 2 do
  if all[i] == 'nothing' then
    local time = redis.call('TIME')
    if time[1] * 1000 + math.floor(time[2] / 1000) < tonumber(all[i + 1]) then nothing = 1 end
  end
end
return {nothing, all}
