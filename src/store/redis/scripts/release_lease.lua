-- ARGV: grant, holder
local key = p .. 'lease:' .. ARGV[1]
hold(key, 'string')
if redis.call('GET', key) == ARGV[2] then redis.call('DEL', key) end
return answer('released')
