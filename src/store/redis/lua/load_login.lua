if not grant_of(ARGV[1]) then return {} end
local found = redis.call('HMGET', login_key(ARGV[1]), 'grant', 'created', 'seen', 'expires')
whole(found, 4)
local grant = read(found[1])
if not grant then return {} end
return {found[1], found[2], found[3], found[4], found[1], unpack(grant)}
