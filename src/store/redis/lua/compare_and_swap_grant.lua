local g, expected, version, sealed, updated, expires, ttl = unpack(ARGV, 1, 7)
local old = read(g)
if not old then return {'gone'} end
if old[1] == version and old[2] == sealed then return {'done'} end
if old[1] ~= expected or old[1] == version then return {'moved', g, unpack(old)} end
if tonumber(old[4]) > tonumber(expires) then expires = old[4] end
put(g, version, sealed, updated, expires, ttl)
return {'done'}
