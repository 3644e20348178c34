local g, expected = ARGV[1], ARGV[2]
local old = read(g)
if not old or (expected ~= '' and old[1] ~= expected) then return {} end
drop_logins(g)
drop(g)
return {g, unpack(old)}
