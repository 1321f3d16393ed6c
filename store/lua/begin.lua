-- Begin to say a question, or find out how far somebody else has come.
-- KEYS[1] saying, hash   ARGV[1] generation [2] conversation [3] nonce [4] hash of the text [5] cursor [6] hold, ms
-- [7] life, ms [8] id of this call
-- Returns {progress, generation, conversation, nonce, hash, cursor, index or nil, hold left, ms, life left, ms}.
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local started, taken, busy, done = 0, 1, 2, 3
local f = redis.call('HMGET', key, 'generation', 'conversation', 'nonce', 'hash', 'after', 'index', 'until', 'by', 'how')
if not f[1] then
  redis.call('HSET', key, 'generation', ARGV[1], 'conversation', ARGV[2], 'nonce', ARGV[3], 'hash', ARGV[4],
    'after', ARGV[5], 'until', now + ARGV[6], 'by', ARGV[8], 'how', started)
  redis.call('PEXPIRE', key, ARGV[7])
  return {started, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], false, tonumber(ARGV[6]), tonumber(ARGV[7])}
end
if redis.call('PTTL', key) < tonumber(ARGV[7]) then redis.call('PEXPIRE', key, ARGV[7]) end
local progress, hold = busy, f[7] - now
if f[6] then
  progress = done
elseif f[8] == ARGV[8] then
  progress = tonumber(f[9]) -- the client sent this call twice, as the connection broke before our answer
elseif hold <= 0 then
  progress, hold = taken, tonumber(ARGV[6])
  redis.call('HSET', key, 'until', now + hold, 'by', ARGV[8], 'how', taken)
end
return {progress, f[1], f[2], f[3], f[4], f[5], f[6], math.max(0, hold), redis.call('PTTL', key)}
