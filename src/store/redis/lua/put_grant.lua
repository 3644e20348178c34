local g = ARGV[2]
local old = read(g)
put(g, unpack(ARGV, 3, 7))
if old then return {'replaced', g, unpack(old)} end
return {'created'}
