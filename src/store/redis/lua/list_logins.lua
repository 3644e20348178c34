local list = {}
for i = 2, #ARGV do
  for _, login in ipairs(redis.call('ZRANGEBYSCORE', logins_key(ARGV[i]), '(' .. now, '+inf')) do
    local found = redis.call('HMGET', login_key(login), 'grant', 'created', 'seen', 'expires')
    if found[1] then
      list[#list + 1] = login
      for _, field in ipairs(found) do list[#list + 1] = field end
    end
  end
end
return list
