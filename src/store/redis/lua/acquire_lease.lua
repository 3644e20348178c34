local key = P .. 'lease:' .. ARGV[2]
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[3] then return {'held'} end
redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
return {'acquired'}
