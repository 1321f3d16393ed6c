-- Keep what has become known of a conversation, once, move the mark over the run now known and past the holes
-- below `believe`, and wake the conversation's watchers if anything changed: with the message, if that is enough.
-- KEYS[1] conversation, hash   ARGV[1] channel [2] lifetime, ms [3] believe [4] closing [5] 1 to keep nothing without
-- an owner [6] owner or '' [7] its generation [8] hope [9] the index from which on the desk was asked [10] number of
-- messages [11] number of those who joined, then for each message its index, whose it is (1 the customer's, 2 an
-- agent's), its nonce or '', and JSON, then who joined, then who left
-- Returns {mark, messages that were not there, of those how many at or below the mark before; if there was an owner
-- before, of those that were not there how many are not the customer's, gaps that are closed, gaps that are believed,
-- {JSON of a question, JSON of an agent's first message after it, for each question that has one now}}.
local key, believe, closing, heard = KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]), 1
local f = redis.call('HMGET', key, 'customer', 'mark', 'top', 'own', 'closed', 'agents', 'gap_at', 'beyond', 'holes', 'hope',
  'spoke', 'unanswered')
local function number(field, value, default)
  if not value then return default end
  return tonumber(value) or error(field .. ' is not a number: ' .. value)
end
local owner, gap = f[1], f[7]
local mark, top, own = number('mark', f[2], -1), number('top', f[3], -1), number('own', f[4], -1)
local closed, agents = number('closed', f[5], 0), number('agents', f[6], 0)
local hope, hoped = tonumber(ARGV[8]), number('hope', f[10], 0)
local before = mark
if ARGV[5] == '1' and not owner then return {mark, 0, 0, 0, 0, 0, {}} end
-- What the desk was not asked for and is not known here was lost.
if mark < tonumber(ARGV[9]) - 1 then believe, closing = 0, math.min(closing, heard) end

-- The indices known above the mark, each with whose message it is.
local beyond = {}
for index, whose in string.gmatch(f[8] or '', '(%d+):(%d)') do
  beyond[#beyond + 1] = {tonumber(index), whose}
end

-- The gaps above the mark: first and last index, and how many of them have come.
local gaps, below = {}, mark
for _, known in ipairs(beyond) do
  if known[1] > below + 1 then gaps[#gaps + 1] = {below + 1, known[1] - 1, 0} end
  below = known[1]
end
local replies, repaired, skipped, spoken = 0, 0, 0, {}
local function repair(index)
  for _, gap in ipairs(gaps) do
    if index >= gap[1] and index <= gap[2] then
      gap[3] = gap[3] + 1
      if gap[3] == gap[2] - gap[1] + 1 then repaired = repaired + 1 end
    end
  end
end

-- Up to the mark: the last of the agents' messages, and the customer's after it.
local spoke, unanswered = number('spoke', f[11], -1), {}
local spoke_before = spoke
for index in string.gmatch(f[12] or '', '%d+') do unanswered[#unanswered + 1] = tonumber(index) end
local function note(index, whose)
  if whose == '1' then
    own = math.max(own, index)
    unanswered[#unanswered + 1] = index
  elseif whose == '2' then
    spoke = math.max(spoke, index)
    spoken[#spoken + 1] = index
  end
end

-- A message that is late lies in a range of holes; what remains of the range stands on either side of it.
local holes = f[9] or ''
local function fill(index)
  holes = string.gsub(holes, '(%d+)-(%d+),', function(from, to)
    from, to = tonumber(from), tonumber(to)
    if index < from or index > to then return nil end
    local rest = ''
    if from < index then rest = from .. '-' .. (index - 1) .. ',' end
    if index < to then rest = rest .. (index + 1) .. '-' .. to .. ',' end
    return rest
  end)
end

local new, late, changed, at = 0, 0, false, 12
local last, last_whose
for _ = 1, tonumber(ARGV[10]) do
  local index, whose = tonumber(ARGV[at]), ARGV[at + 1]
  if ARGV[at + 2] ~= '' then redis.call('HSET', key, 'n:' .. ARGV[at + 2], ARGV[at]) end
  if redis.call('HSETNX', key, 'm:' .. ARGV[at], ARGV[at + 3]) == 1 then
    new, top, last, last_whose = new + 1, math.max(top, index), ARGV[at + 3], whose
    if whose ~= '1' then replies = replies + 1 end
    if index > mark then
      repair(index)
      beyond[#beyond + 1] = {index, whose}
    else
      late = late + 1
      fill(index)
      note(index, whose)
    end
  end
  at = at + 4
end

table.sort(beyond, function(a, b) return a[1] < b[1] end)
local passed = 0
for i, known in ipairs(beyond) do
  local index = known[1]
  if index ~= mark + 1 then
    if index > believe then break end
    skipped = skipped + 1
    holes = holes .. (mark + 1) .. '-' .. (index - 1) .. ','
  end
  mark, passed = index, i
  note(index, known[2])
end

-- What is to be written; '' for what is to go.
local fields, gone = {}, {}
local function set(field, value, was)
  if value ~= '' then
    fields[#fields + 1], fields[#fields + 2] = field, value
  elseif was then
    gone[#gone + 1] = field
  end
end

local first_left = at + tonumber(ARGV[11])
for i = at, first_left - 1 do
  if redis.call('HSETNX', key, 'in:' .. ARGV[i], 1) == 1 then agents, changed = agents + 1, true end
end
for i = first_left, #ARGV do
  local was = redis.call('HGET', key, 'in:' .. ARGV[i])
  if was ~= '0' then
    redis.call('HSET', key, 'in:' .. ARGV[i], 0)
    if was then agents = agents - 1 end
    changed = true
  end
end
if changed then set('agents', agents) end
if hope > hoped then
  set('hope', hope)
  changed = true
end
if top > mark then closing = math.min(closing, heard) end
local risen = false
if closing > closed then
  set('closed', closing)
  risen = true
end
if ARGV[6] ~= '' and not owner then
  set('customer', ARGV[6])
  set('generation', ARGV[7])
  risen = true
end
if new == 0 and mark == before and not changed and not risen then return {mark, 0, 0, 0, 0, 0, {}} end

local rest = {}
for i = passed + 1, #beyond do rest[#rest + 1] = beyond[i][1] .. ':' .. beyond[i][2] end
table.sort(unanswered)
table.sort(spoken)
local still, answered, n = {}, {}, 1
for _, index in ipairs(unanswered) do
  while spoken[n] and spoken[n] < index do n = n + 1 end
  if index > spoke then
    still[#still + 1] = index
  elseif owner and index > spoke_before and spoken[n] then
    for _, message in ipairs(redis.call('HMGET', key, 'm:' .. index, 'm:' .. spoken[n])) do answered[#answered + 1] = message end
  end
end
set('mark', mark)
set('top', top)
set('own', own)
set('spoke', spoke)
set('beyond', table.concat(rest, ','), f[8])
set('holes', holes, f[9])
set('unanswered', table.concat(still, ','), f[12])
if top == mark then
  set('gap_at', '', gap)
elseif mark ~= before or not gap then
  local time = redis.call('TIME')
  set('gap_at', time[1] * 1000 + math.floor(time[2] / 1000))
end
redis.call('HSET', key, unpack(fields))
if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
redis.call('PEXPIRE', key, ARGV[2])
-- Who has read up to the mark before needs only the message, unless more is to be known than it tells; that agents are
-- in, an agent's does tell.
local alone = new == 1 and late == 0 and mark == before + 1 and not risen and (last_whose ~= '2' or agents > 0)
redis.call('PUBLISH', ARGV[1], alone and last or 'wake')
if not owner then replies, repaired, skipped = 0, 0, 0 end
return {mark, new, late, replies, repaired, skipped, answered}
