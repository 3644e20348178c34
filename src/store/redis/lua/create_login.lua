local login, g, created, seen, expires, ttl, proof = unpack(ARGV, 1, 7)
if redis.call('EXISTS', login_key(login), ended_key(login)) > 0 then return {'exists'} end
local old = read(g)
put(g, unpack(ARGV, 8, 12))
ttl = tonumber(ttl)
if ttl > 0 then
  redis.call('HSET', login_key(login), 'grant', g, 'created', created, 'seen', seen, 'expires', expires, 'proof', proof)
  redis.call('PEXPIRE', login_key(login), ttl)
  index(logins_key(g), login, ttl)
end
if old then return {'replaced', g, unpack(old)} end
return {'created'}
