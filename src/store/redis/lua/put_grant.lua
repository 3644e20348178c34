local g = ARGV[1]
local old = read(g)
put(g, unpack(ARGV, 2, 6))
if old then return {'replaced', g, unpack(old)} end
return {'created'}
