local list = {}
for i = 1, #ARGV do
  local found = read(ARGV[i])
  if found then
    list[#list + 1] = ARGV[i]
    for _, field in ipairs(found) do list[#list + 1] = field end
  end
end
return list
