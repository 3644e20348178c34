-- ARGV: grant, holder, lifetime
local key = p .. 'lease:' .. ARGV[1]
hold(key, 'string')
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then return answer('held') end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return answer('acquired')
