local o, expected, sealed = unpack(ARGV, 1, 3)
if not grant_of_owned(o) or redis.call('HGET', owned_key(o), 'sealed') ~= expected then return {'changed'} end
redis.call('HSET', owned_key(o), 'sealed', sealed)
return {'done'}
