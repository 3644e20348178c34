if redis.call('SET', P .. 'once:' .. ARGV[2], '1', 'NX', 'PX', ARGV[3]) then return {'first'} end
return {'used'}
