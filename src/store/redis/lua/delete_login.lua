local login = ARGV[1]
local g = grant_of(login)
redis.call('DEL', login_key(login))
-- A server that is out of memory still deletes, but cannot store the tombstone: pcall ignores that error.
redis.pcall('SET', ended_key(login), 1, 'PX', ARGV[2])
if not g then return {'absent'} end
own(logins_key(g), 'zset')
redis.call('ZREM', logins_key(g), login)
redis.call('ZREMRANGEBYSCORE', logins_key(g), '-inf', now)
if redis.call('ZCARD', logins_key(g)) > 0 or has_owners(g) then return {'others', g} end
local old = read(g)
if not old then return {'absent'} end
drop(g)
return {'last', g, unpack(old)}
