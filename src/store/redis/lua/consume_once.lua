if redis.call('SET', once_key(ARGV[1]), '1', 'NX', 'PX', ARGV[2]) then return {'first'} end
return {'used'}
