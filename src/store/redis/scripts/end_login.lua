-- ARGV: login, the lifetime of its tombstone
local l = ARGV[1]
local g = grant_of(l)
-- First room, then the tombstone: a server without memory still takes a logout.
redis.call('DEL', login_key(l))
redis.pcall('HSET', login_key(l), 'ended', 1)
redis.call('PEXPIRE', login_key(l), ARGV[2])
if not g then return answer('absent') end
local set = logins_key(g)
hold(set, 'zset')
redis.call('ZREM', set, l)
local old = read_grant(g)
if not old then return answer('absent') end
-- Members whose login is gone (evicted) do not count.
for _, other in ipairs(redis.call('ZRANGEBYSCORE', set, '(' .. now, '+inf')) do
  if grant_of(other) == g then return { 'others', g } end
end
remove_grant(g)
local out = answer('last', old)
out[8] = g
return out
