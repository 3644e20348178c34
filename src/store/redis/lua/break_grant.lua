local g, expected = ARGV[1], ARGV[2]
local old = read(g)
if not old or old[1] ~= expected then return {'kept'} end
drop_logins(g)
-- Dropped first: a grant that is replaced keeps its lifetime.
drop(g)
put(g, unpack(ARGV, 3, 7))
return {'broken'}
