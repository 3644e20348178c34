local g, expected = ARGV[1], ARGV[2]
local old = read(g)
if not old or (expected ~= '' and old[1] ~= expected) then return {} end
own(logins_key(g), 'zset')
for _, login in ipairs(redis.call('ZRANGE', logins_key(g), 0, -1)) do
  redis.call('DEL', login_key(login))
end
drop(g)
return {g, unpack(old)}
