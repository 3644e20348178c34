-- ARGV: login. Gives the login's five fields and the grant's six.
local key = login_key(ARGV[1])
if redis.call('TYPE', key).ok ~= 'hash' then return {} end
local f = redis.call('HMGET', key, 'format', 'grant', 'created', 'seen', 'expires')
if not f[2] then return {} end -- a tombstone
local grant = read_grant(f[2])
if not grant then return {} end
for i = 1, 6 do f[5 + i] = grant[i] end
return f
