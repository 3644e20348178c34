local o, expected, keep, ended, remembered = unpack(ARGV, 1, 5)
local g = grant_of_owned(o)
if g and redis.call('HGET', owned_key(o), 'sealed') ~= expected then return {'changed'} end
local owner = g and redis.call('HGET', owned_key(o), 'owner')
redis.call('DEL', owned_key(o))
own(disowned_key(o), 'string')
if (tonumber(redis.call('GET', disowned_key(o)) or 0) or 0) < tonumber(ended) then
  -- A server that is out of memory still deletes, but cannot store this: pcall ignores that error.
  redis.pcall('SET', disowned_key(o), ended, 'PX', remembered)
end
if not g then return {'absent'} end
for _, key in ipairs({owners_key(g), owner_key(owner or ''), OWNED}) do
  own(key, 'zset')
  redis.call('ZREM', key, o)
end
local deleted = release(g, keep)
if deleted then return {'deleted', g, g, unpack(deleted)} end
return {'kept', g}
