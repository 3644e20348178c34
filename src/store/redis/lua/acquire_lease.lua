local key = lease_key(ARGV[1])
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then return {'held'} end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return {'acquired'}
