local login, seen, expires, ttl = unpack(ARGV, 1, 4)
local g = grant_of(login)
if not g then return {'absent'} end
ttl = tonumber(ttl)
redis.call('HSET', login_key(login), 'seen', seen, 'expires', expires)
-- A lifetime of 0 or less deletes the key.
redis.call('PEXPIRE', login_key(login), ttl)
own(logins_key(g), 'zset')
redis.call('ZADD', logins_key(g), now + ttl, login)
extend(logins_key(g), ttl)
if is(grant_key(g), 'hash') and ttl > redis.call('PTTL', grant_key(g)) then
  redis.call('HSET', grant_key(g), 'expires', expires)
  redis.call('PEXPIRE', grant_key(g), ttl)
  index(org_key(g), g, ttl)
  index(ALL, g, ttl)
end
return {'touched'}
