if redis.call('EXISTS', login_key(ARGV[1])) == 0 then return {} end
local g = grant_of(ARGV[1])
-- One field is no login: the record counts as corrupt, and not as absent.
if not g then return {'unreadable'} end
local grant = read(g)
if not grant then return redis.call('EXISTS', grant_key(g)) == 0 and {} or {'unreadable'} end
local found = redis.call('HMGET', login_key(ARGV[1]), 'grant', 'created', 'seen', 'expires', 'proof')
whole(found, 5)
return {found[1], found[2], found[3], found[4], found[5], g, unpack(grant)}
