-- ARGV: login, its lifetime, created, seen, expires, grant, its lifetime, the grant's six fields
local l, login_ms, g, grant_ms = ARGV[1], tonumber(ARGV[2]), ARGV[6], tonumber(ARGV[7])
-- Taken: by a login, or by the tombstone of one that was logged out while this command was on its way.
if redis.call('EXISTS', login_key(l)) == 1 then return answer('exists') end
-- What needs memory first: a server that has none left refuses here, before anything is changed.
if login_ms > 0 then
  redis.call('HSET', login_key(l), 'format', ARGV[8], 'grant', g, 'created', ARGV[3], 'seen', ARGV[4], 'expires',
    ARGV[5])
  redis.call('PEXPIRE', login_key(l), login_ms)
  file(logins_key(g), l, login_ms)
end
local old = read_grant(g)
put_grant(g, grant_ms, slice(8))
return answer('created', old)
