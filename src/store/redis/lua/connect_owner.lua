local o, owner, g, sealed, connected, expires, ttl = unpack(ARGV, 1, 7)
local former, deleted = grant_of_owned(o), nil
-- An older one was delayed.
own(disowned_key(o), 'string')
local newest = math.max(tonumber(redis.call('GET', disowned_key(o)) or 0) or 0,
  former and tonumber(redis.call('HGET', owned_key(o), 'connected') or 0) or 0)
if newest > tonumber(connected) then return {'exists'} end
own(owned_key(o), 'hash')
ttl = tonumber(ttl)
if ttl > 0 then
  redis.call('HSET', owned_key(o), 'owner', owner, 'grant', g, 'sealed', sealed, 'connected', connected, 'expires', expires)
  redis.call('PEXPIRE', owned_key(o), ttl)
  for _, key in ipairs({owners_key(g), owner_key(owner), OWNED}) do index(key, o, ttl) end
end
if former and former ~= g then
  own(owners_key(former), 'zset')
  redis.call('ZREM', owners_key(former), o)
  deleted = release(former, ARGV[13])
end
local old = read(g)
put(g, unpack(ARGV, 8, 12))
if old and deleted then return {'both', g, old[1], old[2], old[3], old[4], former, unpack(deleted)} end
if old then return {'replaced', g, unpack(old)} end
if deleted then return {'deleted', former, unpack(deleted)} end
return {'connected'}
