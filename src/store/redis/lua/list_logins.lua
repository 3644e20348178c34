local list = {}
for i = 1, #ARGV do
  local key = logins_key(ARGV[i])
  local logins = is(key, 'zset') and redis.call('ZRANGEBYSCORE', key, '(' .. now, '+inf') or {}
  for _, login in ipairs(logins) do
    if grant_of(login) then
      list[#list + 1] = login
      local found = redis.call('HMGET', login_key(login), 'grant', 'created', 'seen', 'expires', 'proof')
      for _, field in ipairs(whole(found, 5)) do list[#list + 1] = field end
    end
  end
end
return list
