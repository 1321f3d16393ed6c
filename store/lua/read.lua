-- Read a conversation, and its known messages above `after` up to the mark.
-- KEYS[1] conversation, hash   ARGV[1] after
-- Returns {customer, generation, mark, top, own, closed, agents; as stored, nil where there is none,
-- age of the gap, ms, age of the last look, ms, both nil if there is none, hope, JSON of the customer's first message that no
-- agent's follows, nil if there is none, {JSON of each message}}.
local f = redis.call('HMGET', KEYS[1], 'customer', 'generation', 'mark', 'top', 'own', 'closed', 'agents',
  'gap_at', 'looked', 'holes', 'hope', 'unanswered')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function age(since) return since and math.max(0, now - since) end

-- Everything up to the mark is known but for the holes, so the cost is that of what is returned.
local messages, fields = {}, {}
local function fetch()
  if #fields == 0 then return end
  for _, message in ipairs(redis.call('HMGET', KEYS[1], unpack(fields))) do
    if message then messages[#messages + 1] = message end
  end
  fields = {}
end
local function take(from, to)
  for index = from, to do
    fields[#fields + 1] = 'm:' .. index
    if #fields == 1000 then fetch() end -- Lua's stack bounds unpack
  end
end
local from, mark = math.max(0, ARGV[1] + 1), f[3] and tonumber(f[3]) or -1
for first, last in string.gmatch(f[10] or '', '(%d+)-(%d+),') do
  take(from, first - 1)
  from = math.max(from, last + 1)
end
take(from, mark)
fetch()
local first = string.match(f[12] or '', '%d+')
local unanswered = first and redis.call('HGET', KEYS[1], 'm:' .. first) or false -- a nil would end the list
return {f[1], f[2], f[3], f[4], f[5], f[6], f[7], age(f[8]), age(f[9]), f[11], unanswered, messages}
