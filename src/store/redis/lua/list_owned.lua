local list = {}
for i = 1, #ARGV do
  if grant_of_owned(ARGV[i]) then
    list[#list + 1] = ARGV[i]
    local found = redis.call('HMGET', owned_key(ARGV[i]), 'owner', 'grant', 'sealed', 'connected', 'expires')
    for _, field in ipairs(whole(found, 5)) do list[#list + 1] = field end
  end
end
return list
