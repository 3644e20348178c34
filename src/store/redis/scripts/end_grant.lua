-- ARGV: grant, then nothing, or the expected lineage and revision
local g = ARGV[1]
local old = read_grant(g)
if not old then return answer('absent') end
if ARGV[2] and (old[2] ~= ARGV[2] or old[3] ~= ARGV[3]) then return answer('absent') end
local set = logins_key(g)
hold(set, 'zset')
for _, l in ipairs(redis.call('ZRANGE', set, 0, -1)) do
  if grant_of(l) == g then redis.call('DEL', login_key(l)) end
end
remove_grant(g)
return answer('ended', old)
