local key = position_key(ARGV[1])
if redis.call('EXISTS', key) == 0 then return {} end
if not is(key, 'hash') then return {'unreadable'} end
return whole(redis.call('HMGET', key, 'version', 'sealed', 'updated'), 3)
