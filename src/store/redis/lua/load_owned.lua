local o = ARGV[1]
if redis.call('EXISTS', owned_key(o)) == 0 then return {} end
local g = grant_of_owned(o)
-- One field is no connection: the record counts as corrupt, and not as absent.
if not g then return {'unreadable'} end
local grant = read(g)
if not grant and redis.call('EXISTS', grant_key(g)) > 0 then return {'unreadable'} end
local found = redis.call('HMGET', owned_key(o), 'owner', 'grant', 'sealed', 'connected', 'expires')
whole(found, 5)
if not grant then return {o, unpack(found)} end
return {o, found[1], found[2], found[3], found[4], found[5], g, unpack(grant)}
