local found = redis.call('HMGET', login_key(ARGV[2]), 'grant', 'created', 'seen', 'expires')
if not found[1] then return {} end
local grant = read(found[1])
if not grant then return {} end
return {found[1], found[2], found[3], found[4], found[1], unpack(grant)}
