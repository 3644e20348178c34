-- ARGV: grant, its lifetime, its six fields
local old = read_grant(ARGV[1])
put_grant(ARGV[1], tonumber(ARGV[2]), slice(3))
return answer('put', old)
