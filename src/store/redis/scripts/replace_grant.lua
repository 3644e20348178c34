-- ARGV: grant, its lifetime, the expected lineage and revision, its six fields
local g, ms = ARGV[1], tonumber(ARGV[2])
local old = read_grant(g)
if not old then return answer('gone') end
local new = slice(5)
if old[2] == new[2] and old[3] == new[3] then return answer('done') end
if old[2] ~= ARGV[3] or old[3] ~= ARGV[4] then return answer('moved', old) end
-- The grant lives at least as long as its logins, which may have been prolonged meanwhile.
local left = redis.call('PTTL', grant_key(g))
if left > ms then
  ms = left
  new[5] = old[5] or new[5]
end
put_grant(g, ms, new)
return answer('done')
