local key, expected, version, sealed, updated = position_key(ARGV[1]), unpack(ARGV, 2, 5)
if redis.call('EXISTS', key) > 0 then
  -- An unreadable record stays: its position may still be read by hand.
  if not is(key, 'hash') then return {'moved', '', '', ''} end
  local old = whole(redis.call('HMGET', key, 'version', 'sealed', 'updated'), 3)
  if old[1] == version and old[2] == sealed then return {'done'} end
  if old[1] ~= expected then return {'moved', unpack(old)} end
elseif expected ~= '' then
  return {'gone'}
end
-- Without a lifetime: a consumer that starts after a long time has to learn that its position is lost.
redis.call('HSET', key, 'version', version, 'sealed', sealed, 'updated', updated)
return {'done'}
