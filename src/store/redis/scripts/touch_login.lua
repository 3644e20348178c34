-- ARGV: login, its lifetime from now on, seen, expires
local l, ms = ARGV[1], tonumber(ARGV[2])
local g = grant_of(l)
if not g then return answer('absent') end
if ms <= 0 then
  redis.call('DEL', login_key(l))
  return answer('touched')
end
redis.call('HSET', login_key(l), 'seen', ARGV[3], 'expires', ARGV[4])
redis.call('PEXPIRE', login_key(l), ms)
file(logins_key(g), l, ms)
-- The grant lives at least as long as its logins.
if redis.call('EXISTS', grant_key(g)) == 1 and redis.call('PTTL', grant_key(g)) < ms then
  redis.call('HSET', grant_key(g), 'expires', ARGV[4])
  redis.call('PEXPIRE', grant_key(g), ms)
  for _, set in ipairs(indexes(g)) do file(set, g, ms) end
end
return answer('touched')
