"""What the starter knows of the real world, as tables: one thing a row, its fields between bars, a dash for an empty field."""

# name | capital | continent | language | flag | famous for
COUNTRIES = """France|Paris|Europe|French|🇫🇷|cheese, bread and the Eiffel Tower
Italy|Rome|Europe|Italian|🇮🇹|pizza, pasta and old buildings
Spain|Madrid|Europe|Spanish|🇪🇸|sunny beaches and flamenco dancing
Germany|Berlin|Europe|German|🇩🇪|cars, castles and sausages
Portugal|Lisbon|Europe|Portuguese|🇵🇹|sailors, cork and fish dishes
the Netherlands|Amsterdam|Europe|Dutch|🇳🇱|tulips, windmills and bicycles
Belgium|Brussels|Europe|-|🇧🇪|chocolate and waffles
Luxembourg|Luxembourg City|Europe|-|🇱🇺|its castles and its small size
Switzerland|Bern|Europe|-|🇨🇭|mountains, watches and chocolate
Austria|Vienna|Europe|German|🇦🇹|music, mountains and skiing
the United Kingdom|London|Europe|English|🇬🇧|tea, its royal family and football
Ireland|Dublin|Europe|-|🇮🇪|green fields and folk music
Norway|Oslo|Europe|Norwegian|🇳🇴|fjords, snow and northern lights
Sweden|Stockholm|Europe|Swedish|🇸🇪|forests, lakes and meatballs
Finland|Helsinki|Europe|-|🇫🇮|saunas and thousands of lakes
Denmark|Copenhagen|Europe|Danish|🇩🇰|bicycles and toy building bricks
Iceland|Reykjavik|Europe|Icelandic|🇮🇸|volcanoes, geysers and glaciers
Poland|Warsaw|Europe|Polish|🇵🇱|dumplings and old towns
the Czech Republic|Prague|Europe|Czech|🇨🇿|castles and glass
Slovakia|Bratislava|Europe|Slovak|🇸🇰|caves, castles and mountains
Hungary|Budapest|Europe|Hungarian|🇭🇺|hot baths and paprika
Romania|Bucharest|Europe|Romanian|🇷🇴|mountains, forests and castles
Bulgaria|Sofia|Europe|Bulgarian|🇧🇬|roses and yogurt
Greece|Athens|Europe|Greek|🇬🇷|old temples and islands
Albania|Tirana|Europe|Albanian|🇦🇱|mountains and beaches
Serbia|Belgrade|Europe|Serbian|🇷🇸|raspberries and brass music
Croatia|Zagreb|Europe|Croatian|🇭🇷|islands and blue water
Slovenia|Ljubljana|Europe|Slovene|🇸🇮|caves, bees and forests
Ukraine|Kyiv|Europe|Ukrainian|🇺🇦|sunflowers and wheat fields
Estonia|Tallinn|Europe|Estonian|🇪🇪|forests and singing festivals
Latvia|Riga|Europe|Latvian|🇱🇻|forests and white beaches
Lithuania|Vilnius|Europe|Lithuanian|🇱🇹|amber and basketball
Moldova|Chisinau|Europe|Romanian|🇲🇩|grapes and wine
Malta|Valletta|Europe|-|🇲🇹|old stone temples and blue sea
Bosnia and Herzegovina|Sarajevo|Europe|-|🇧🇦|its old bridges and mountains
North Macedonia|Skopje|Europe|-|🇲🇰|its lakes and mountains
Montenegro|Podgorica|Europe|-|🇲🇪|its high black mountains and its bays
Belarus|Minsk|Europe|-|🇧🇾|large forests and potatoes
Andorra|Andorra la Vella|Europe|-|🇦🇩|skiing in high mountains
Liechtenstein|Vaduz|Europe|German|🇱🇮|its castle and its small size
Russia|Moscow|-|Russian|🇷🇺|being the largest country in the world
Turkey|Ankara|-|Turkish|🇹🇷|carpets, tea and old cities
Cyprus|Nicosia|-|-|🇨🇾|beaches and a cheese called halloumi
Georgia|Tbilisi|-|Georgian|🇬🇪|mountains, grapes and cheese bread
Armenia|Yerevan|-|Armenian|🇦🇲|apricots and old churches
Azerbaijan|Baku|-|Azerbaijani|🇦🇿|oil and natural fires
China|Beijing|Asia|Chinese|🇨🇳|the Great Wall, tea and pandas
Japan|Tokyo|Asia|Japanese|🇯🇵|sushi, fast trains and cherry trees
South Korea|Seoul|Asia|Korean|🇰🇷|kimchi, pop music and electronics
North Korea|Pyongyang|Asia|Korean|🇰🇵|its mountains and big parades
Mongolia|Ulaanbaatar|Asia|Mongolian|🇲🇳|horses, wide plains and round tents
India|New Delhi|Asia|-|🇮🇳|spices, tigers and the Taj Mahal
Pakistan|Islamabad|Asia|-|🇵🇰|very high mountains and mangoes
Bangladesh|Dhaka|Asia|Bengali|🇧🇩|rivers, rice and tigers
Nepal|Kathmandu|Asia|Nepali|🇳🇵|Mount Everest
Bhutan|Thimphu|Asia|Dzongkha|🇧🇹|mountains and monasteries
Afghanistan|Kabul|Asia|-|🇦🇫|carpets, kites and mountains
Iran|Tehran|Asia|Persian|🇮🇷|carpets, poems and pistachios
Iraq|Baghdad|Asia|-|🇮🇶|dates and the oldest cities on Earth
Syria|Damascus|Asia|Arabic|🇸🇾|its very old cities
Lebanon|Beirut|Asia|Arabic|🇱🇧|cedar trees and good food
Jordan|Amman|Asia|Arabic|🇯🇴|Petra, an old city cut into rock
Saudi Arabia|Riyadh|Asia|Arabic|🇸🇦|deserts, oil and the city of Mecca
Yemen|Sanaa|Asia|Arabic|🇾🇪|coffee and tall old houses
Oman|Muscat|Asia|Arabic|🇴🇲|deserts and a sweet resin called frankincense
Qatar|Doha|Asia|Arabic|🇶🇦|natural gas and pearls
Kuwait|Kuwait City|Asia|Arabic|🇰🇼|oil and its hot desert
Bahrain|Manama|Asia|Arabic|🇧🇭|pearls and islands
the United Arab Emirates|Abu Dhabi|Asia|Arabic|🇦🇪|skyscrapers and deserts
Kazakhstan|Astana|Asia|-|🇰🇿|wide plains, horses and apples
Uzbekistan|Tashkent|Asia|Uzbek|🇺🇿|old cities with blue tiles
Turkmenistan|Ashgabat|Asia|Turkmen|🇹🇲|carpets and deserts
Kyrgyzstan|Bishkek|Asia|-|🇰🇬|mountains, lakes and horses
Tajikistan|Dushanbe|Asia|Tajik|🇹🇯|very high mountains
Thailand|Bangkok|Asia|Thai|🇹🇭|temples, spicy food and elephants
Vietnam|Hanoi|Asia|Vietnamese|🇻🇳|rice fields and noodle soup
Laos|Vientiane|Asia|Lao|🇱🇦|temples and the Mekong River
Cambodia|Phnom Penh|Asia|Khmer|🇰🇭|the temple of Angkor Wat
Malaysia|Kuala Lumpur|Asia|Malay|🇲🇾|rain forests and tall twin towers
Myanmar|Naypyidaw|Asia|Burmese|🇲🇲|golden temples
the Philippines|Manila|Asia|-|🇵🇭|thousands of islands and mangoes
Indonesia|Jakarta|Asia|Indonesian|🇮🇩|islands, volcanoes and orangutans
Egypt|Cairo|Africa|Arabic|🇪🇬|the pyramids and the Nile
Libya|Tripoli|Africa|Arabic|🇱🇾|the Sahara and old Roman cities
Tunisia|Tunis|Africa|Arabic|🇹🇳|olives, beaches and old Carthage
Algeria|Algiers|Africa|-|🇩🇿|the Sahara and dates
Morocco|Rabat|Africa|-|🇲🇦|markets, mint tea and leather
Sudan|Khartoum|Africa|-|🇸🇩|old pyramids and the Nile
South Sudan|Juba|Africa|-|🇸🇸|being one of the youngest countries in the world
Ethiopia|Addis Ababa|Africa|-|🇪🇹|coffee and long distance runners
Eritrea|Asmara|Africa|-|🇪🇷|its Red Sea coast and cycling
Somalia|Mogadishu|Africa|-|🇸🇴|camels and a long coast
Kenya|Nairobi|Africa|-|🇰🇪|safaris, tea and fast runners
Uganda|Kampala|Africa|-|🇺🇬|gorillas and bananas
Rwanda|Kigali|Africa|-|🇷🇼|gorillas and a thousand hills
Tanzania|Dodoma|Africa|-|🇹🇿|Mount Kilimanjaro and wild animals
Mozambique|Maputo|Africa|Portuguese|🇲🇿|beaches and seafood
Madagascar|Antananarivo|Africa|-|🇲🇬|lemurs and vanilla
Zambia|Lusaka|Africa|-|🇿🇲|copper and Victoria Falls
Zimbabwe|Harare|Africa|-|🇿🇼|Victoria Falls and old stone walls
Malawi|Lilongwe|Africa|-|🇲🇼|its large lake full of fish
Botswana|Gaborone|Africa|-|🇧🇼|elephants and diamonds
Namibia|Windhoek|Africa|-|🇳🇦|red sand dunes
Angola|Luanda|Africa|Portuguese|🇦🇴|oil and diamonds
Cameroon|Yaounde|Africa|-|🇨🇲|football, cocoa and rain forests
Nigeria|Abuja|Africa|-|🇳🇬|music, films and having many people
Ghana|Accra|Africa|-|🇬🇭|cocoa and gold
Senegal|Dakar|Africa|-|🇸🇳|music, wrestling and peanuts
Mali|Bamako|Africa|-|🇲🇱|the old city of Timbuktu
Niger|Niamey|Africa|-|🇳🇪|the Sahara and giraffes
Chad|N'Djamena|Africa|-|🇹🇩|Lake Chad and the Sahara
Liberia|Monrovia|Africa|-|🇱🇷|rain forests and rubber
Sierra Leone|Freetown|Africa|-|🇸🇱|beaches and diamonds
Gabon|Libreville|Africa|French|🇬🇦|rain forests and forest elephants
Togo|Lome|Africa|-|🇹🇬|markets and palm beaches
Canada|Ottawa|North America|-|🇨🇦|maple syrup, forests and ice hockey
the United States|Washington, D.C.|North America|English|🇺🇸|Hollywood, baseball and the Grand Canyon
Mexico|Mexico City|North America|Spanish|🇲🇽|tacos, cactuses and old pyramids
Guatemala|Guatemala City|North America|Spanish|🇬🇹|volcanoes and Maya temples
Honduras|Tegucigalpa|North America|Spanish|🇭🇳|Maya ruins and bananas
El Salvador|San Salvador|North America|Spanish|🇸🇻|volcanoes and surfing
Nicaragua|Managua|North America|Spanish|🇳🇮|lakes and volcanoes
Costa Rica|San Jose|North America|Spanish|🇨🇷|rain forests, sloths and birds
Panama|Panama City|North America|Spanish|🇵🇦|its canal between two oceans
Cuba|Havana|North America|Spanish|🇨🇺|old cars and dance music
Jamaica|Kingston|North America|-|🇯🇲|reggae music and fast runners
Haiti|Port-au-Prince|North America|-|🇭🇹|colorful paintings and mountains
the Dominican Republic|Santo Domingo|North America|Spanish|🇩🇴|beaches and merengue music
the Bahamas|Nassau|North America|English|🇧🇸|clear blue water and islands
Brazil|Brasilia|South America|Portuguese|🇧🇷|the Amazon rain forest and football
Argentina|Buenos Aires|South America|Spanish|🇦🇷|tango dancing and beef
Chile|Santiago|South America|Spanish|🇨🇱|being a very long and narrow country
Peru|Lima|South America|-|🇵🇪|Machu Picchu and llamas
Colombia|Bogota|South America|Spanish|🇨🇴|coffee and emeralds
Venezuela|Caracas|South America|Spanish|🇻🇪|the highest waterfall in the world
Ecuador|Quito|South America|Spanish|🇪🇨|the Galapagos Islands
Uruguay|Montevideo|South America|Spanish|🇺🇾|football and cattle farms
Paraguay|Asuncion|South America|-|🇵🇾|wide rivers and harp music
Guyana|Georgetown|South America|English|🇬🇾|rain forests and waterfalls
Suriname|Paramaribo|South America|Dutch|🇸🇷|rain forests and rivers
Australia|Canberra|Oceania|English|🇦🇺|kangaroos, koalas and coral reefs
New Zealand|Wellington|Oceania|-|🇳🇿|sheep, kiwi birds and mountains
Fiji|Suva|Oceania|-|🇫🇯|islands, palms and coral
Papua New Guinea|Port Moresby|Oceania|-|🇵🇬|having more than eight hundred languages
Samoa|Apia|Oceania|-|🇼🇸|volcanic islands and dancing"""

# name | country | known for
CITIES = """New York|the United States|the Statue of Liberty and its tall buildings
Los Angeles|the United States|its films and its beaches
Chicago|the United States|its tall buildings by a great lake
San Francisco|the United States|the Golden Gate Bridge
Milan|Italy|fashion and its large cathedral
Venice|Italy|its canals and boats
Florence|Italy|its paintings and its dome
Naples|Italy|pizza and the volcano Vesuvius nearby
Pisa|Italy|its leaning tower
Barcelona|Spain|the church Sagrada Familia
Seville|Spain|flamenco and orange trees
Munich|Germany|its big autumn festival
Hamburg|Germany|its great harbor
Cologne|Germany|its tall cathedral
Marseille|France|its old harbor on the Mediterranean Sea
Lyon|France|its good food
Nice|France|its sunny beach
Edinburgh|the United Kingdom|its castle on a rock
Manchester|the United Kingdom|football and music
Liverpool|the United Kingdom|the Beatles
Oxford|the United Kingdom|its very old university
Salzburg|Austria|being the birthplace of Mozart
Geneva|Switzerland|its lake and its tall fountain
Zurich|Switzerland|its banks and its lake
Rotterdam|the Netherlands|its huge harbor
Porto|Portugal|its bridges over the river Douro
Krakow|Poland|its large market square
Saint Petersburg|Russia|its palaces and canals
Istanbul|Turkey|lying in both Europe and Asia
Shanghai|China|its skyscrapers and its harbor
Hong Kong|China|its skyscrapers and its harbor
Kyoto|Japan|its temples and gardens
Osaka|Japan|its street food and its castle
Hiroshima|Japan|its park for peace
Busan|South Korea|its harbor and beaches
Mumbai|India|its film studios
Kolkata|India|its poets and its trams
Dubai|the United Arab Emirates|the tallest building in the world
Mecca|Saudi Arabia|being the holiest city of Islam
Alexandria|Egypt|its old library and lighthouse
Casablanca|Morocco|its huge mosque by the sea
Marrakesh|Morocco|its red walls and its market
Lagos|Nigeria|being one of the largest cities in Africa
Cape Town|South Africa|Table Mountain
Johannesburg|South Africa|its gold mines of the past
Timbuktu|Mali|its old mud mosques and books
Sydney|Australia|its opera house
Melbourne|Australia|its trams and its sports
Auckland|New Zealand|its sailing boats
Rio de Janeiro|Brazil|its carnival and its big statue on a mountain
Sao Paulo|Brazil|being the largest city in South America
Cusco|Peru|being the old capital of the Inca
Toronto|Canada|its very tall tower
Vancouver|Canada|its mountains by the sea
Montreal|Canada|being a big city where most people speak French
Quebec City|Canada|its old walls and its snow festival"""

# name | where it flows | fact
RIVERS = """the Nile|Africa|is one of the two longest rivers in the world
the Amazon|South America|carries more water than any other river
the Congo|Africa|is the deepest river in the world
the Niger|Africa|makes a great bend near Timbuktu
the Zambezi|Africa|falls over the Victoria Falls
the Yangtze|China|is the longest river in Asia
the Yellow River|China|gets its name from its yellow mud
the Mekong|Asia|flows through six countries
the Ganges|Asia|is a holy river for Hindus
the Indus|Asia|gave India its name
the Mississippi|the United States|was once full of paddle steamers
the Colorado River|North America|made the Grand Canyon
the Danube|Europe|flows through ten countries
the Rhine|Europe|passes many castles
the Volga|Russia|is the longest river in Europe
the Thames|England|flows through London
the Seine|France|flows through Paris
the Loire|France|is the longest river in France
the Tiber|Italy|flows through Rome
the Po|Italy|is the longest river in Italy
the Elbe|Europe|flows through Hamburg to the North Sea
the Spree|Europe|flows through Berlin"""

# name | where | fact
MOUNTAINS = """Mount Everest|Asia|is the highest mountain in the world
K2|Asia|is the second highest mountain in the world
Mount Kilimanjaro|Tanzania|is the highest mountain in Africa
Mont Blanc|the Alps|is the highest mountain of the Alps
the Matterhorn|the Alps|looks like a pyramid of rock
Mount Fuji|Japan|is the highest mountain in Japan
Mount Etna|Italy|is an active volcano on Sicily
Vesuvius|Italy|buried the Roman city of Pompeii
Aconcagua|Argentina|is the highest mountain in South America
Denali|Alaska|is the highest mountain in North America
Ben Nevis|Scotland|is the highest mountain in the United Kingdom
Mount Olympus|Greece|was the home of the gods in old stories
the Zugspitze|Germany|is the highest mountain in Germany
Table Mountain|South Africa|has a flat top
the Himalayas|Asia|are the highest mountains in the world
the Andes|South America|are the longest chain of mountains on land
the Rocky Mountains|North America|run from Canada to the United States
the Atlas Mountains|Africa|lie in the northwest of the continent"""

# name | fact
WATERS = """the Pacific Ocean|is the largest ocean in the world
the Atlantic Ocean|lies between America on one side and Europe and Africa on the other
the Indian Ocean|lies between Africa, Asia and Australia
the Arctic Ocean|is the smallest ocean and has ice on it
the Southern Ocean|lies around Antarctica
the Mediterranean Sea|lies between Europe, Africa and Asia
the Dead Sea|is so salty that people float in it easily
the Red Sea|lies between Africa and Arabia
the Baltic Sea|lies between Sweden, Finland, Poland and other countries
the North Sea|lies between Great Britain and Norway
the Black Sea|lies north of Turkey
the Caspian Sea|is the largest lake in the world
Lake Victoria|is the largest lake in Africa
Lake Baikal|is the deepest lake in the world
Lake Superior|is the largest of the Great Lakes of North America
Lake Titicaca|lies high up between Peru and Bolivia"""

# name | city or country | country | what it is
LANDMARKS = """the Eiffel Tower|Paris|France|a tall iron tower
the Louvre|Paris|France|a large art museum
the Colosseum|Rome|Italy|an old round arena
the Leaning Tower|Pisa|Italy|a bell tower that leans to one side
Big Ben|London|the United Kingdom|the great bell of a famous clock tower
Tower Bridge|London|the United Kingdom|a bridge that opens for ships
Stonehenge|England|the United Kingdom|a circle of huge old stones
the Brandenburg Gate|Berlin|Germany|a large old gate
the Acropolis|Athens|Greece|a hill with old temples
the Sagrada Familia|Barcelona|Spain|a large church with many towers
the Alhambra|Granada|Spain|an old palace with gardens
the Atomium|Brussels|Belgium|a building that looks like a giant iron crystal
the Little Mermaid|Copenhagen|Denmark|a small statue by the water
the Kremlin|Moscow|Russia|an old fortress with red walls
Hagia Sophia|Istanbul|Turkey|an old building with a great dome
the Great Wall|China|China|a very long old wall
the Forbidden City|Beijing|China|the old palace of the emperors
the Taj Mahal|Agra|India|a white tomb like a palace
Angkor Wat|Cambodia|Cambodia|a very large old temple
Petra|Jordan|Jordan|an old city cut into red rock
the Burj Khalifa|Dubai|the United Arab Emirates|the tallest building in the world
the Great Pyramid|Giza|Egypt|a huge old tomb of stone
the Sphinx|Giza|Egypt|a stone lion with the head of a man
the Statue of Liberty|New York|the United States|a huge statue of a woman with a torch
the White House|Washington, D.C.|the United States|the home of the president
the Golden Gate Bridge|San Francisco|the United States|a long red bridge
the Grand Canyon|Arizona|the United States|a deep and colorful valley
the CN Tower|Toronto|Canada|a very tall tower
Christ the Redeemer|Rio de Janeiro|Brazil|a huge statue on a mountain
Machu Picchu|Peru|Peru|an old Inca city in the mountains
the Sydney Opera House|Sydney|Australia|a concert hall with roofs like sails
Uluru|Australia|Australia|a huge red rock in the desert"""

# name | kind | color | size | home | food | sound | young | legs | fly | swim | emoji | special
ANIMALS = """dog|mammal|brown|medium|in a house|meat and dog food|woof|puppy|4|n|y|🐶|can smell far better than people can
cat|mammal|-|small|in a house|meat and fish|meow|kitten|4|n|-|🐱|can see well when there is little light
cow|mammal|brown|large|on a farm|grass|moo|calf|4|n|-|🐮|gives us milk
horse|mammal|brown|large|in a stable|hay and grass|neigh|foal|4|n|y|🐴|can sleep while standing
pig|mammal|pink|medium|on a farm|corn and vegetables|oink|piglet|4|n|y|🐷|rolls in mud to stay cool
sheep|mammal|white|medium|on a farm|grass|baa|lamb|4|n|-|🐑|gives us wool
goat|mammal|-|medium|in the mountains|grass and leaves|bleat|kid|4|n|-|🐐|climbs steep rocks with ease
donkey|mammal|grey|medium|on a farm|grass and hay|hee-haw|foal|4|n|-|🫏|has very long ears
rabbit|mammal|brown|small|in a burrow|grass and vegetables|-|kit|4|n|-|🐰|has teeth that never stop growing
hare|mammal|brown|small|in the fields|grass and herbs|-|leveret|4|n|-|-|runs very fast on its long back legs
hamster|mammal|golden|tiny|in a cage|seeds|squeak|pup|4|n|-|🐹|carries food in its cheeks
guinea pig|mammal|-|small|in a cage|hay and vegetables|wheek|pup|4|n|-|-|comes from South America
mouse|mammal|grey|tiny|in a hole|seeds and grain|squeak|pup|4|n|-|🐭|can fit through very small holes
rat|mammal|grey|small|in a burrow|almost everything|squeak|pup|4|n|y|🐀|learns tricks very quickly
squirrel|mammal|red|small|in a tree|nuts and seeds|-|kit|4|n|-|🐿️|hides nuts for the winter
hedgehog|mammal|brown|small|in a hedge|insects and worms|-|hoglet|4|n|-|🦔|rolls into a ball to protect itself
mole|mammal|black|small|under the ground|worms|-|pup|4|n|-|-|digs long tunnels with its front feet
bat|mammal|brown|small|in a cave|insects and fruit|-|pup|2|y|-|🦇|hangs upside down when it sleeps
fox|mammal|red|medium|in a den|mice and berries|-|cub|4|n|-|🦊|has a long and bushy tail
wolf|mammal|grey|medium|in the forest|meat|howl|pup|4|n|y|🐺|hunts together with its pack
bear|mammal|brown|large|in the forest|fish, berries and honey|growl|cub|4|n|y|🐻|sleeps through much of the winter
polar bear|mammal|white|huge|in the Arctic|seals|growl|cub|4|n|y|🐻‍❄️|has black skin under its white fur
panda|mammal|black and white|large|in the bamboo forest|bamboo|-|cub|4|n|-|🐼|spends most of the day eating
koala|mammal|grey|small|in a eucalyptus tree|eucalyptus leaves|-|joey|4|n|-|🐨|sleeps for most of the day
kangaroo|mammal|brown|large|in Australia|grass|-|joey|4|n|-|🦘|carries its young in a pouch
wombat|mammal|brown|medium|in a burrow in Australia|grass and roots|-|joey|4|n|-|-|makes droppings shaped like cubes
platypus|mammal|brown|small|by a river in Australia|worms and shrimps|-|-|4|n|y|-|lays eggs although it is a mammal
lion|mammal|golden|large|in the savanna|meat|roar|cub|4|n|-|🦁|lives in a family called a pride
tiger|mammal|orange|large|in the jungle|meat|roar|cub|4|n|y|🐯|has black stripes on its fur
leopard|mammal|yellow|large|in the savanna|meat|-|cub|4|n|-|🐆|carries its food up into trees
cheetah|mammal|yellow|large|in the savanna|gazelles|-|cub|4|n|-|-|is the fastest animal on land
jaguar|mammal|yellow|large|in the rain forest|meat and fish|roar|cub|4|n|y|-|has a very strong bite
lynx|mammal|brown|medium|in the forest|hares|-|kitten|4|n|-|-|has black tufts on its ears
elephant|mammal|grey|huge|in the savanna|leaves and grass|trumpet|calf|4|n|y|🐘|uses its trunk to drink and to pick things up
rhinoceros|mammal|grey|huge|in the savanna|grass and leaves|-|calf|4|n|-|🦏|has one or two horns on its nose
hippopotamus|mammal|grey|huge|by a river in Africa|grass|-|calf|4|n|-|🦛|stays in the water all day to keep cool
giraffe|mammal|yellow and brown|huge|in the savanna|leaves|-|calf|4|n|-|🦒|is the tallest animal in the world
zebra|mammal|black and white|large|in the savanna|grass|-|foal|4|n|-|🦓|has a pattern of stripes that no other one has
camel|mammal|brown|large|in the desert|grass and thorny plants|-|calf|4|n|-|🐫|stores fat in its hump
llama|mammal|-|large|in the Andes|grass|-|cria|4|n|-|🦙|spits when it is angry
gazelle|mammal|brown|medium|in the savanna|grass|-|fawn|4|n|-|-|jumps high into the air to flee
deer|mammal|brown|large|in the forest|grass and leaves|-|fawn|4|n|y|🦌|has brown fur and quick legs
moose|mammal|brown|huge|in the northern forest|leaves and water plants|-|calf|4|n|y|🫎|is the largest kind of deer
reindeer|mammal|brown|large|in the far north|grass and lichen|-|calf|4|n|y|-|pulls sleds over the snow
bison|mammal|brown|huge|on the prairie|grass|-|calf|4|n|-|🦬|has a big hump on its shoulders
yak|mammal|-|large|in the Himalayas|grass|-|calf|4|n|-|-|has long hair to keep it warm
wild boar|mammal|brown|large|in the forest|roots and acorns|-|piglet|4|n|y|🐗|digs up the ground with its nose
badger|mammal|black and white|medium|in a burrow|worms|-|cub|4|n|-|🦡|has a white face with black stripes
beaver|mammal|brown|medium|in a lodge by a river|bark and leaves|-|kit|4|n|y|🦫|builds dams with branches
otter|mammal|brown|medium|by a river|fish|-|pup|4|n|y|🦦|floats on its back to rest
skunk|mammal|black and white|small|in North America|insects and berries|-|kit|4|n|-|🦨|sprays a bad smell when it is in danger
raccoon|mammal|grey|medium|in the woods of North America|almost everything|-|kit|4|n|y|🦝|has black fur around its eyes like a mask
porcupine|mammal|brown|medium|in the woods|bark and leaves|-|porcupette|4|n|-|-|has long sharp quills
sloth|mammal|brown|medium|in the rain forest|leaves|-|pup|4|n|y|🦥|moves very slowly
armadillo|mammal|brown|small|in South America|insects|-|pup|4|n|-|-|has a hard shell of bony plates
anteater|mammal|grey|large|in South America|ants|-|pup|4|n|-|-|catches ants with its very long tongue
monkey|mammal|brown|medium|in the jungle|fruit and nuts|chatter|infant|-|n|-|🐵|swings from branch to branch
chimpanzee|mammal|black|medium|in the forests of Africa|fruit and leaves|-|infant|-|n|n|-|uses sticks as tools
gorilla|mammal|black|large|in the forests of Africa|leaves and fruit|-|infant|-|n|n|🦍|beats its chest with its hands
orangutan|mammal|orange|large|in the forests of Borneo|fruit|-|infant|-|n|n|🦧|builds a new nest of leaves every night
lemur|mammal|grey|small|in Madagascar|fruit and leaves|-|pup|4|n|-|-|has a long tail
hyena|mammal|brown|medium|in the savanna|meat|-|cub|4|n|-|-|makes calls that sound like laughter
meerkat|mammal|brown|small|in the deserts of Africa|insects|-|pup|4|n|-|-|stands up on its back legs to look around
seal|mammal|grey|large|in cold seas|fish|bark|pup|0|n|y|🦭|has thick fat that keeps it warm
walrus|mammal|brown|huge|in the Arctic|clams|-|calf|0|n|y|-|has two long tusks
dolphin|mammal|grey|large|in the sea|fish|click|calf|0|n|y|🐬|jumps high out of the water
blue whale|mammal|blue|huge|in the sea|tiny shrimps called krill|-|calf|0|n|y|🐋|is the largest animal that has ever lived
orca|mammal|black and white|huge|in the sea|fish and seals|-|calf|0|n|y|-|hunts in groups called pods
chicken|bird|-|small|on a farm|grain and worms|cluck|chick|2|-|-|🐔|lays eggs that we eat
rooster|bird|-|small|on a farm|corn|crow|-|2|-|-|🐓|crows early in the morning
duck|bird|-|small|on a pond|water plants and snails|quack|duckling|2|y|y|🦆|has webbed feet for swimming
goose|bird|white|medium|on a farm|grass|honk|gosling|2|y|y|🪿|guards a yard almost like a dog
turkey|bird|brown|large|on a farm|grain and insects|gobble|poult|2|-|-|🦃|spreads its tail like a fan
swan|bird|white|large|on a lake|water plants|-|cygnet|2|y|y|🦢|has a long and curved neck
pigeon|bird|grey|small|in the city|seeds and crumbs|coo|squab|2|y|-|🐦|finds its way home from far away
sparrow|bird|brown|tiny|in a bush|seeds|chirp|chick|2|y|-|-|lives close to people
robin|bird|brown|tiny|in the garden|worms and insects|-|chick|2|y|-|-|has a red breast
crow|bird|black|medium|in the fields|almost everything|caw|chick|2|y|-|🐦‍⬛|is a very clever bird
owl|bird|brown|medium|in the forest|mice|hoot|owlet|2|y|-|🦉|hunts at night without a sound
eagle|bird|brown|large|in the mountains|fish and small animals|-|eaglet|2|y|-|🦅|sees its prey from very far away
falcon|bird|grey|medium|on high cliffs|other birds|-|chick|2|y|-|-|is the fastest bird in a dive
vulture|bird|brown|large|in warm countries|dead animals|-|chick|2|y|-|-|cleans up nature by eating dead animals
stork|bird|white|large|in a big nest on a roof|frogs and insects|-|chick|2|y|-|-|flies to Africa for the winter
flamingo|bird|pink|large|by a salty lake|shrimps and algae|-|chick|2|y|y|🦩|gets its pink color from its food
pelican|bird|white|large|by the water|fish|-|chick|2|y|y|-|has a big pouch under its beak
seagull|bird|white|medium|by the sea|fish|-|chick|2|y|y|-|follows fishing boats
penguin|bird|black and white|medium|in the cold south|fish|-|chick|2|n|y|🐧|uses its wings to swim
ostrich|bird|black|huge|in the savanna|plants and seeds|-|chick|2|n|-|-|is the largest bird in the world
peacock|bird|blue|large|in parks|seeds and insects|-|-|2|y|-|🦚|shows a fan of beautiful feathers
parrot|bird|green|small|in the jungle|seeds and fruit|squawk|chick|2|y|-|🦜|can copy the words that people say
toucan|bird|black|medium|in the rain forest|fruit|-|chick|2|y|-|-|has a huge colorful beak
hummingbird|bird|green|tiny|in America|nectar|-|chick|2|y|-|-|can fly backwards
woodpecker|bird|-|small|in the forest|insects|-|chick|2|y|-|-|hammers holes into trees with its beak
swallow|bird|blue|tiny|in a mud nest|flying insects|-|chick|2|y|-|-|catches its food in the air
cuckoo|bird|grey|small|in the woods|caterpillars|cuckoo|chick|2|y|-|-|lays its eggs in the nests of other birds
blackbird|bird|black|small|in the garden|worms and berries|-|chick|2|y|-|-|sings from the top of a roof or a tree
kiwi|bird|brown|small|in New Zealand|worms|-|chick|2|n|-|-|has nostrils at the end of its beak
frog|amphibian|green|small|by a pond|flies|ribbit|tadpole|4|n|y|🐸|catches flies with its sticky tongue
toad|amphibian|brown|small|in the garden|insects and worms|croak|tadpole|4|n|y|-|has dry skin with warts
salamander|amphibian|black and yellow|small|in damp woods|worms and insects|-|-|4|n|y|-|can grow back a lost tail
snake|reptile|-|medium|in the grass|mice and eggs|hiss|-|0|n|y|🐍|smells with its tongue
lizard|reptile|-|small|in sunny places|insects|-|-|4|n|-|🦎|warms itself in the sun
gecko|reptile|-|tiny|in warm countries|insects|-|-|4|n|-|-|can walk up smooth walls
chameleon|reptile|green|small|in the trees of Africa|insects|-|-|4|n|-|-|can change the color of its skin
crocodile|reptile|green|huge|by warm rivers|fish and other animals|-|hatchling|4|n|y|🐊|has very strong jaws
tortoise|reptile|brown|medium|on dry land|plants|-|hatchling|4|n|n|🐢|can live for more than a hundred years
sea turtle|reptile|green|large|in the sea|sea grass and jellyfish|-|hatchling|0|n|y|-|lays its eggs on a beach
goldfish|fish|orange|tiny|in a fish tank|fish flakes|-|fry|0|n|y|-|has no eyelids and cannot blink
shark|fish|grey|large|in the sea|fish and seals|-|pup|0|n|y|🦈|grows new teeth all its life
salmon|fish|silver|medium|in the sea and in rivers|small fish and shrimps|-|fry|0|n|y|-|swims up rivers to lay its eggs
trout|fish|brown|medium|in clear streams|insects|-|fry|0|n|y|-|needs cold and clean water
clownfish|fish|orange and white|tiny|in a coral reef|plankton|-|fry|0|n|y|-|hides between the arms of a sea anemone
seahorse|fish|-|tiny|in the sea|tiny shrimps|-|fry|0|n|y|-|has a father that carries the eggs
eel|fish|brown|medium|in rivers|small water animals|-|-|0|n|y|-|looks like a snake
tuna|fish|blue|large|in the sea|smaller fish|-|-|0|n|y|-|is a very fast swimmer
octopus|mollusk|-|medium|in the sea|crabs|-|-|0|n|y|🐙|has eight arms and three hearts
squid|mollusk|-|medium|in the sea|fish and shrimps|-|-|0|n|y|🦑|squirts ink to escape
snail|mollusk|brown|tiny|in the garden|leaves|-|-|0|n|n|🐌|carries its house on its back
slug|mollusk|brown|tiny|in the garden|leaves and mushrooms|-|-|0|n|n|-|leaves a shiny trail of slime
crab|crustacean|red|small|on the beach|algae and small animals|-|-|10|n|-|🦀|walks sideways
lobster|crustacean|blue|medium|on the floor of the sea|crabs and mussels|-|-|10|n|y|🦞|turns red only when it is cooked
shrimp|crustacean|pink|tiny|in the sea|algae|-|-|10|n|y|🦐|swims backwards to get away
bee|insect|yellow and black|tiny|in a hive|nectar and pollen|buzz|larva|6|y|-|🐝|makes honey and wax
wasp|insect|yellow and black|tiny|in a paper nest|insects and sweet things|buzz|larva|6|y|-|-|can sting more than once
ant|insect|black|tiny|in an anthill|seeds, insects and sweet things|-|larva|6|-|-|🐜|carries things much heavier than itself
butterfly|insect|-|tiny|in the meadow|nectar|-|caterpillar|6|y|n|🦋|tastes with its feet
moth|insect|brown|tiny|in the garden|nectar|-|caterpillar|6|y|n|-|flies toward the light at night
ladybug|insect|red|tiny|in the garden|plant lice|-|larva|6|y|-|🐞|has black spots on its wings
grasshopper|insect|green|tiny|in the grass|grass|-|nymph|6|y|n|-|jumps many times the length of its body
cricket|insect|brown|tiny|in the meadow|plants and insects|chirp|nymph|6|-|-|🦗|sings by rubbing its wings together
dragonfly|insect|blue|tiny|by a pond|flying insects|-|nymph|6|y|n|-|can hover in the air like a helicopter
fly|insect|black|tiny|in many places|rotten food|buzz|maggot|6|y|-|🪰|has eyes made of thousands of parts
mosquito|insect|brown|tiny|by still water|nectar and blood|-|larva|6|y|n|🦟|bites people only when it is a female
firefly|insect|brown|tiny|in the meadow|snails and nectar|-|larva|6|y|-|-|glows in the dark
spider|arachnid|brown|tiny|in a web|insects|-|spiderling|8|n|-|🕷️|spins threads of silk
scorpion|arachnid|-|small|in the desert|insects|-|-|8|n|-|🦂|has a sting at the end of its tail
earthworm|worm|pink|small|in the soil|dead leaves|-|-|0|n|-|🪱|makes the soil loose and good for plants
jellyfish|jellyfish|-|small|in the sea|plankton|-|-|0|n|y|🪼|has no bones and no brain
starfish|starfish|orange|small|on the floor of the sea|mussels|-|-|0|n|n|-|can grow back a lost arm"""

# name | kind | color | taste | where it grows | what one makes of it | emoji
PRODUCE = """apple|fruit|red|sweet|on a tree|apple pie|🍎
pear|fruit|green|sweet|on a tree|pear juice|🍐
banana|fruit|yellow|sweet|on a tall plant in warm countries|banana bread|🍌
orange|fruit|orange|sweet|on a tree|orange juice|🍊
lemon|fruit|yellow|sour|on a tree|lemonade|🍋
lime|fruit|green|sour|on a tree|lime juice|🍋‍🟩
grapefruit|fruit|yellow|bitter|on a tree|grapefruit juice|-
cherry|fruit|red|sweet|on a tree|cherry cake|🍒
plum|fruit|purple|sweet|on a tree|plum jam|-
peach|fruit|pink|sweet|on a tree|peach pie|🍑
apricot|fruit|orange|sweet|on a tree|apricot jam|-
strawberry|fruit|red|sweet|on a low plant|strawberry jam|🍓
raspberry|fruit|red|sweet|on a bush|raspberry jam|-
blackberry|fruit|black|sweet|on a thorny bush|blackberry jam|-
blueberry|fruit|blue|sweet|on a bush|blueberry muffins|🫐
cranberry|fruit|red|sour|on a low bush|cranberry sauce|-
grape|fruit|purple|sweet|on a vine|juice and wine|🍇
raisin|dried fruit|brown|sweet|as a grape on a vine|raisin bread|-
pineapple|fruit|brown|sweet|on a low plant in warm countries|pineapple juice|🍍
mango|fruit|orange|sweet|on a tree in warm countries|chutney|🥭
papaya|fruit|orange|sweet|on a tree in warm countries|fruit salad|-
coconut|fruit|brown|mild|on a palm tree|coconut milk|🥥
kiwi fruit|fruit|brown|sweet|on a vine|fruit salad|🥝
melon|fruit|green|sweet|on the ground|fruit salad|🍈
watermelon|fruit|green|sweet|on the ground|cool summer snacks|🍉
fig|fruit|purple|sweet|on a tree|fig jam|-
date|fruit|brown|sweet|on a palm tree|date cake|-
pomegranate|fruit|red|sweet|on a small tree|red syrup|-
olive|fruit|green|bitter|on a tree|olive oil|🫒
avocado|fruit|green|mild|on a tree|guacamole|🥑
tomato|vegetable|red|sweet|on a plant with a stalk|ketchup|🍅
cucumber|vegetable|green|mild|on a vine|pickles|🥒
carrot|vegetable|orange|sweet|under the ground|carrot soup|🥕
potato|vegetable|brown|mild|under the ground|french fries|🥔
sweet potato|vegetable|orange|sweet|under the ground|sweet potato pie|🍠
onion|vegetable|brown|sharp|in the ground|onion soup|🧅
garlic|vegetable|white|sharp|under the ground|garlic bread|🧄
leek|vegetable|green|mild|in the ground|leek soup|-
radish|vegetable|red|hot|under the ground|salad|-
beet|vegetable|red|sweet|under the ground|red soup|-
turnip|vegetable|white|mild|under the ground|stew|-
cabbage|vegetable|green|mild|on the ground|sauerkraut|-
lettuce|vegetable|green|mild|on the ground|salad|🥬
broccoli|vegetable|green|mild|on a plant with a thick stalk|vegetable soup|🥦
cauliflower|vegetable|white|mild|on a plant with a thick stalk|cauliflower cheese|-
pumpkin|vegetable|orange|mild|on the ground|pumpkin pie|🎃
zucchini|vegetable|green|mild|on a low plant|vegetable stew|-
eggplant|vegetable|purple|mild|on a bushy plant|moussaka|🍆
bell pepper|vegetable|red|sweet|on a bushy plant|salad|🫑
chili pepper|vegetable|red|hot|on a bushy plant|hot sauce|🌶️
pea|vegetable|green|sweet|in a pod|pea soup|🫛
bean|vegetable|brown|mild|in a pod|bean stew|🫘
asparagus|vegetable|green|mild|in sandy soil|asparagus soup|-
walnut|nut|brown|bitter|on a tree|nut cake|-
hazelnut|nut|brown|sweet|on a bush|chocolate spread|-
almond|nut|brown|mild|on a tree|marzipan|-
chestnut|nut|brown|sweet|on a tree|roasted snacks|🌰
peanut|nut|brown|mild|under the ground|peanut butter|🥜
mushroom|fungus|brown|mild|in the woods|mushroom soup|🍄"""

# name (no article) | what it is | taste | made from | emoji
FOODS = """bread|a baked food|mild|flour and water|🍞
cheese|a food|salty|milk|🧀
butter|a soft yellow fat|mild|cream|🧈
yogurt|a thick white food|sour|milk|-
ice cream|a cold dessert|sweet|milk, cream and sugar|🍨
chocolate|a brown sweet|sweet|cocoa beans and sugar|🍫
honey|a sticky golden food|sweet|nectar|🍯
jam|a spread|sweet|fruit and sugar|-
sugar|a white powder for sweetening|sweet|sugar cane or sugar beets|-
flour|a white powder for baking|mild|grain|-
pasta|an Italian food|mild|flour and water|🍝
pizza|a flat baked dish|salty|dough, tomatoes and cheese|🍕
soup|a warm liquid dish|salty|water and vegetables|🍲
salad|a cold dish|fresh|raw vegetables|🥗
omelet|a flat fried dish|salty|eggs|🍳
pancake batter|a thin mix for frying|sweet|flour, milk and eggs|🥞
popcorn|a light snack|salty|dried corn|🍿
ketchup|a red sauce|sweet|tomatoes|-
mustard|a yellow sauce|hot|mustard seeds|-
lemonade|a cold drink|sour|lemons, water and sugar|-
tea|a hot drink|bitter|dried leaves|🍵
coffee|a hot dark drink|bitter|roasted beans|☕
cocoa|a warm brown drink|sweet|cocoa powder and milk|-
wine|a drink for grown-ups|sour|grapes|🍷
tofu|a soft white food|mild|soybeans|-
sausage|a long meat food|salty|chopped meat|🌭
ham|a meat|salty|the leg of a pig|-
sushi|a Japanese food|mild|rice and fish|🍣
tortilla|a flat round bread|mild|corn or wheat flour|🫓
porridge|a soft warm breakfast|mild|oats and milk or water|🥣
vinegar|a liquid for salads|sour|wine or apple juice|-
whipped cream|a light white topping|sweet|cream|-
hummus|a soft spread|mild|chickpeas and sesame|-
caramel|a brown sweet|sweet|melted sugar|-"""

# name | kind | color of its flowers or leaves | where | fact
PLANTS = """oak|tree|green|in forests and parks|grows acorns
beech|tree|green|in forests|has smooth grey bark
birch|tree|green|in cool countries|has white bark
maple|tree|green|in forests|has leaves that turn red and orange in fall
pine|tree|green|in forests|has long needles and cones
fir|tree|green|in cold forests|is often used as a Christmas tree
spruce|tree|green|in cold forests|has cones that hang down
larch|tree|green|in the mountains|loses its needles in winter
willow|tree|green|by rivers|has long thin branches
poplar|tree|green|along roads|is tall and slim
ash tree|tree|green|in forests|has wood that is good for tool handles
chestnut tree|tree|green|in parks|drops shiny brown nuts in fall
apple tree|tree|white|in orchards|gives us apples
cherry tree|tree|pink|in orchards|blooms in spring
olive tree|tree|green|around the Mediterranean Sea|can live for a thousand years
palm|tree|green|in warm countries|has big leaves at the top of its trunk
baobab|tree|green|in Africa|stores water in its thick trunk
eucalyptus|tree|green|in Australia|feeds koalas with its leaves
redwood|tree|green|in California|is the tallest kind of tree in the world
cedar|tree|green|in the mountains|has wood that smells nice
rose|flower|red|in gardens|has thorns on its stem
tulip|flower|red|in gardens|grows from a bulb
daisy|flower|white|in meadows|closes its petals at night
sunflower|flower|yellow|in fields|has seeds that people and birds eat
dandelion|flower|yellow|in meadows|has seeds that fly away with the wind
poppy|flower|red|in fields|has petals as thin as paper
lily|flower|white|in gardens|has a strong sweet smell
water lily|flower|white|on ponds|has leaves that float on the water
violet|flower|purple|in woods|blooms in early spring
lavender|flower|purple|in sunny fields|smells so good that it is put into soap
snowdrop|flower|white|in gardens|is one of the first flowers of the year
crocus|flower|purple|in gardens|blooms at the end of winter
daffodil|flower|yellow|in gardens|looks like a little trumpet
carnation|flower|pink|in gardens|has petals with jagged edges
orchid|flower|purple|in warm forests|often grows on trees
lotus|flower|pink|on ponds in Asia|stays clean because water rolls off its leaves
edelweiss|flower|white|high in the Alps|has petals that look like felt
bluebell|flower|blue|in woods|looks like a small bell
forget-me-not|flower|blue|in damp places|has very small flowers
marigold|flower|orange|in gardens|keeps some insects away
lilac|shrub|purple|in gardens|has flowers with a strong smell
holly|shrub|green|in woods|has sharp leaves and red berries
heather|shrub|purple|on moors|covers whole hills with color
elder|shrub|white|at the edge of woods|has berries that are cooked into juice
cactus|desert plant|green|in deserts|stores water in its thick stem
aloe|desert plant|green|in hot dry places|has a juice that cools the skin
ivy|climbing plant|green|on walls and trees|climbs with tiny roots
grapevine|climbing plant|green|on sunny hills|gives us grapes
wheat|grain|golden|in fields|is ground into flour
rice|grain|green|in wet fields|feeds more than half of the people in the world
corn|grain|yellow|in fields|grows its seeds on a cob
oat plant|grain|golden|in fields|gives us a good food for horses
rye|grain|golden|in cool fields|makes a dark bread
barley|grain|golden|in fields|is used in soup and beer
mint|herb|green|in gardens|makes tea taste fresh
basil|herb|green|in warm gardens|goes well with tomatoes
parsley|herb|green|in gardens|is often sprinkled on soup
rosemary|herb|green|in dry sunny places|has leaves like small needles
clover|meadow plant|green|in meadows|mostly has three leaves
nettle|meadow plant|green|at the edge of paths|stings when one touches it
fern|forest plant|green|in shady woods|has no flowers and no seeds
moss|forest plant|green|in damp woods|holds water like a sponge
bamboo|grass|green|in Asia|is the fastest growing plant on land
cotton|field plant|white|in warm countries|gives us fibers for cloth
sugar cane|grass|green|in warm countries|gives us sugar
seaweed|water plant|green|in the sea|is eaten with rice in Japan"""

# name | what one does with it ("to ...") | made of | where in the house | emoji
OBJECTS = """spoon|eat soup|metal|kitchen|🥄
fork|pick up food|metal|kitchen|🍴
knife|cut food|metal|kitchen|🔪
plate|serve food|china|kitchen|🍽️
bowl|hold soup or cereal|china|kitchen|🥣
cup|drink tea|china|kitchen|☕
drinking glass|drink water|glass|kitchen|🥛
pot|cook soup|metal|kitchen|🍲
frying pan|fry eggs|metal|kitchen|🍳
kettle|boil water|metal|kitchen|-
teapot|make and pour tea|china|kitchen|🫖
oven|bake bread and cakes|metal|kitchen|-
stove|heat pots and pans|metal|kitchen|-
fridge|keep food cold|metal|kitchen|-
toaster|toast bread|metal|kitchen|-
dishwasher|wash plates and cups|metal|kitchen|-
rolling pin|roll out dough|wood|kitchen|-
whisk|beat eggs and cream|metal|kitchen|-
cutting board|cut vegetables on|wood|kitchen|-
jar|keep jam|glass|kitchen|🫙
can opener|open cans|metal|kitchen|-
sponge|wipe and clean things|foam|kitchen|🧽
towel|dry your body|cotton|bathroom|-
toothbrush|clean your teeth|plastic|bathroom|🪥
comb|make your hair neat|plastic|bathroom|-
hairbrush|brush your hair|plastic and bristles|bathroom|-
bar of soap|wash your hands|fats and oils|bathroom|🧼
bathtub|take a bath|metal|bathroom|🛁
shower|wash your whole body|metal|bathroom|🚿
toilet|get rid of waste from the body|china|bathroom|🚽
mirror|see yourself|glass|bathroom|🪞
razor|shave|metal|bathroom|🪒
hair dryer|dry wet hair|plastic|bathroom|-
bed|sleep in|wood|bedroom|🛏️
pillow|rest your head on|cotton and feathers|bedroom|-
blanket|stay warm in bed|wool|bedroom|-
wardrobe|keep clothes in|wood|bedroom|-
alarm clock|wake you up|plastic and metal|bedroom|⏰
night lamp|give a little light in the dark|plastic and glass|bedroom|-
coat hanger|hang up clothes|wire|bedroom|-
teddy bear|cuddle|soft cloth|bedroom|🧸
sofa|sit on with friends|wood and cloth|living room|🛋️
armchair|sit on in comfort|wood and cloth|living room|-
carpet|make the floor soft and warm|wool|living room|-
television|watch films and shows|plastic and glass|living room|📺
radio|listen to music and news|plastic and metal|living room|📻
vase|hold cut flowers|glass|living room|🏺
curtain|cover a window|cloth|living room|-
bookshelf|keep books on|wood|living room|-
fireplace|burn wood to keep a room warm|stone or brick|living room|🔥
candle|give light with a small flame|wax|living room|🕯️
cushion|make a chair softer|cloth|living room|-
photo frame|show a picture|wood|living room|🖼️
pencil|write and draw|wood and graphite|study|✏️
pen|write with ink|plastic|study|🖊️
eraser|rub out pencil marks|rubber|study|-
ruler|measure and draw straight lines|plastic|study|📏
notebook|write notes in|paper|study|📓
book|read stories and learn things|paper|study|📖
computer|write, play and search for things|metal and plastic|study|💻
printer|print words on paper|plastic|study|🖨️
pair of scissors|cut paper|metal|study|✂️
desk|sit at and work|wood|study|-
paper clip|hold sheets of paper together|metal wire|study|📎
stapler|fasten sheets of paper together|metal|study|-
globe|see all the countries of the Earth|cardboard|study|🌍
calculator|do sums|plastic|study|🧮
magnifying glass|make small things look bigger|glass|study|🔍
umbrella|stay dry in the rain|cloth and metal|hall|☂️
doormat|wipe your shoes|rough fibers|hall|-
key|open a lock|metal|hall|🔑
shoe rack|keep shoes on|wood|hall|-
backpack|carry things on your back|strong cloth|hall|🎒
walking stick|lean on while walking|wood|hall|🦯
broom|sweep the floor|wood and bristles|storeroom|🧹
bucket|carry water|plastic|storeroom|🪣
vacuum cleaner|suck up dust|plastic|storeroom|-
mop|wipe the floor with water|cotton and wood|storeroom|-
iron|make clothes smooth|metal|storeroom|-
washing machine|wash clothes|metal|storeroom|-
ladder|climb up to high places|wood or metal|storeroom|🪜
flashlight|see in the dark|plastic|storeroom|🔦
needle|sew cloth|metal|storeroom|🪡
rope|tie and pull heavy things|strong fibers|storeroom|🪢
lawn mower|cut the grass|metal|garden shed|-
watering can|water flowers|metal or plastic|garden shed|-
wheelbarrow|move soil and stones|metal|garden shed|-
bicycle pump|fill tires with air|metal|garage|-"""

# name | what it does | tool | workplace | emoji
JOBS = """firefighter|puts out fires|a hose|at a fire station|🚒
doctor|helps sick people|a stethoscope|in a hospital|🩺
nurse|cares for patients|a thermometer|in a hospital|🏥
surgeon|operates on people|a scalpel|in a hospital|-
dentist|cleans teeth|a drill|in a dental office|🦷
vet|heals sick animals|a stethoscope|in an animal clinic|🐾
pharmacist|sells medicine|a scale|in a pharmacy|💊
teacher|teaches children|a blackboard|in a school|📚
professor|teaches students at a university|books|at a university|🎓
librarian|lends out books|a catalog|in a library|📖
farmer|grows our food|a tractor|on a farm|🚜
shepherd|looks after sheep|a staff|in a pasture|🐑
beekeeper|keeps bees|a smoker|near beehives|🐝
gardener|plants flowers|a spade|in a garden|🌷
florist|sells flowers|scissors|in a flower shop|💐
forester|looks after forests|a measuring tape|in a forest|🌲
lumberjack|cuts down trees|a chainsaw|in a forest|🪓
baker|bakes bread|an oven|in a bakery|🍞
butcher|sells meat|a sharp knife|in a butcher shop|🥩
cook|makes dinner|a pan|in a kitchen|🍳
waiter|brings food to the guests|a tray|in a restaurant|🍽️
miller|grinds grain into flour|a mill|in a mill|🌾
fisherman|catches fish|a net|on a boat|🎣
sailor|sails ships|ropes and sails|on a ship|⛵
captain|commands a ship|a compass|on a bridge of a ship|🚢
diver|works under water|an air tank|in the sea|🤿
pilot|flies planes|a control stick|in a cockpit|✈️
astronaut|flies to the moon|a space suit|in a spacecraft|🚀
astronomer|studies the stars|a telescope|in an observatory|🔭
bus driver|drives a bus|a bus|on the road|🚌
train driver|drives a train|a locomotive|on the railway|🚆
truck driver|carries goods by road|a truck|on the road|🚚
mechanic|fixes cars|a wrench|in a garage|🔧
police officer|catches thieves|handcuffs|at a police station|👮
judge|works in a court|a law book|in a courthouse|⚖️
lawyer|speaks for people in court|law books|in a law office|-
detective|solves crimes|a magnifying glass|at crime scenes|🕵️
soldier|defends a country|a uniform and a weapon|in an army camp|🪖
mail carrier|brings letters and parcels|a mailbag|on a route through the streets|📬
builder|builds houses|a hammer|on a building site|🏗️
bricklayer|builds walls with bricks|a trowel|on a building site|🧱
carpenter|makes things out of wood|a saw|in a workshop|🪚
plumber|repairs water pipes|a pipe wrench|in kitchens and bathrooms|🚰
electrician|puts in electric wires|pliers|in buildings|🔌
roofer|covers houses with tiles|a ladder|on a roof|🏠
blacksmith|shapes hot iron|a hammer and an anvil|in a forge|🔥
architect|plans buildings|drawings|in an office|📐
engineer|designs machines|a computer|in an office|⚙️
programmer|writes computer programs|a keyboard|in an office|💻
scientist|does experiments|a microscope|in a laboratory|🔬
miner|digs coal and ore|a drill|in a mine|⛏️
tailor|sews clothes|a needle|in a tailor shop|🧵
shoemaker|makes and mends shoes|a small hammer|in a shoe workshop|👞
jeweler|makes rings and necklaces|small pliers|in a jewelry shop|💍
watchmaker|repairs watches|tiny screwdrivers|in a watch shop|⌚
barber|cuts hair|scissors|in a barber shop|💈
painter|paints pictures|a brush|in a studio|🎨
sculptor|makes statues|a chisel|in a studio|🗿
potter|makes pots from clay|a wheel|in a pottery|🏺
photographer|takes photos|a camera|in a photo studio|📷
singer|sings songs|a microphone|on a stage|🎤
conductor|leads an orchestra|a baton|in a concert hall|🎼
actor|plays roles in films and plays|a costume|in a theater|🎭
magician|does magic tricks|a wand|on a stage|🪄
clown|makes people laugh|a red nose|in a circus|🤡
dancer|dances for an audience|dancing shoes|on a stage|💃
writer|writes books|a pen|at a desk|✍️
journalist|reports the news|a notebook|at a newspaper|📰
cashier|takes the money in a shop|a cash register|at a checkout|🛒
zookeeper|feeds the animals in a zoo|a bucket|in a zoo|🦁
lifeguard|saves swimmers in trouble|a whistle|at a swimming pool|🛟
referee|makes sure that players follow the rules|a whistle|on a sports field|-
coach|trains a sports team|a whistle|on a sports field|-
translator|turns texts into another language|dictionaries|at a desk|-
chimney sweep|cleans chimneys|a long brush|on a roof|-"""

# name | where it moves | what for | wheels or - | emoji
VEHICLES = """car|land|take a family from place to place|4|🚗
taxi|land|take paying people where they want to go|4|🚕
bus|land|carry many people along a route|-|🚌
truck|land|carry heavy goods|-|🚚
van|land|deliver parcels|4|🚐
bicycle|land|travel by pushing pedals|2|🚲
tricycle|land|let small children ride safely|3|-
unicycle|land|do tricks in a circus|1|-
motorcycle|land|ride fast with an engine|2|🏍️
scooter|land|ride short ways by pushing with one foot|2|🛴
skateboard|land|roll and do tricks on a board|4|🛹
train|land|carry people and goods on rails|-|🚆
tram|land|carry people on rails through a city|-|🚊
subway train|land|carry people through tunnels under a city|-|🚇
tractor|land|pull plows and trailers on a farm|4|🚜
combine harvester|land|harvest grain|-|-
fire engine|land|bring firefighters and water to a fire|-|🚒
ambulance|land|bring sick people to the hospital|4|🚑
police car|land|bring police officers quickly to where they are needed|4|🚓
garbage truck|land|collect garbage|-|-
digger|land|dig deep holes|-|-
bulldozer|land|push away soil and stones|-|-
crane truck|land|lift very heavy things|-|🏗️
dump truck|land|carry and tip out sand and stones|-|-
camper van|land|travel and sleep in|4|-
racing car|land|race around a track|4|🏎️
wheelchair|land|help people move who cannot walk|4|🦽
sled|snow|slide down snowy hills|-|🛷
snowmobile|snow|travel fast over snow|-|-
rowboat|water|cross water by pulling oars|-|🚣
sailboat|water|sail with the wind|-|⛵
canoe|water|paddle along rivers|-|🛶
ferry|water|carry people and cars across water|-|⛴️
cargo ship|water|carry goods across the sea|-|🚢
submarine|water|travel under the sea|-|-
motorboat|water|move fast over water with an engine|-|🚤
raft|water|float on a river|-|-
airplane|the air|fly people to faraway places|-|✈️
helicopter|the air|fly up and down without a runway|-|🚁
hot-air balloon|the air|float high above the land|-|🎈
glider|the air|fly without an engine|-|-
rocket|space|carry people and satellites into space|-|🚀
space shuttle|space|bring astronauts into space and back in the past|-|-"""

# part | its verb | what it is for | emoji
BODY = """eyes|see|👀
ears|hear|👂
nose|smell|👃
tongue|taste|👅
skin|feel things that touch us|-
teeth|bite and chew food|🦷
hands|hold things|✋
fingers|pick up small things|-
legs|walk and run|🦵
feet|stand|🦶
arms|lift and carry things|💪
brain|think and remember|🧠
heart|pump blood through the body|🫀
lungs|breathe|🫁
stomach|digest food|-
bones|hold up the body|🦴
muscles|move the body|-
kidneys|clean the blood|-
eyelids|protect the eyes|-
knees|bend the legs|-
elbows|bend the arms|-
neck|turn the head|-
voice box|speak and sing|-
nerves|carry messages to and from the brain|-"""

# name | where it is worn | what for | emoji
CLOTHES = """hat|on the head|to keep off the sun|👒
woolly cap|on the head|to keep the head warm|-
helmet|on the head|to protect the head|⛑️
scarf|around the neck|to keep the neck warm|🧣
tie|around the neck|to look smart|👔
necklace|around the neck|to look pretty|📿
pair of gloves|on the hands|to keep the fingers warm|🧤
ring|on a finger|to look pretty|💍
watch|on the wrist|to tell the time|⌚
pair of glasses|on the nose|to see better|👓
T-shirt|on the upper body|to stay cool on warm days|👕
sweater|on the upper body|to stay warm|-
coat|over other clothes|to stay warm in winter|🧥
raincoat|over other clothes|to stay dry|-
apron|over other clothes|to keep clothes clean while cooking|-
belt|around the waist|to hold up trousers|-
pair of jeans|on the legs|to have strong trousers for every day|👖
pair of shorts|on the legs|to stay cool in summer|🩳
pair of socks|on the feet|to keep the feet warm|🧦
pair of boots|on the feet|to walk through mud and snow|🥾
pair of sandals|on the feet|to keep the feet cool|👡
pair of slippers|on the feet|to be comfortable at home|-
pair of pajamas|on the body in bed|to be comfortable at night|-
swimsuit|on the body in the water|to go swimming|🩱
uniform|on the body at work or school|to show what group one belongs to|-"""

# name | family | how it is played | emoji
INSTRUMENTS = """piano|keyboard instrument|pressing black and white keys|🎹
organ|keyboard instrument|pressing keys and pedals that let air into pipes|-
accordion|keyboard instrument|pressing keys while squeezing a bag of air|🪗
guitar|string instrument|plucking strings with the fingers|🎸
violin|string instrument|moving a bow over strings under the chin|🎻
cello|string instrument|moving a bow over strings while sitting|-
double bass|string instrument|moving a bow over very thick strings while standing|-
harp|string instrument|plucking many strings with both hands|-
banjo|string instrument|plucking strings over a round drum|🪕
flute|wind instrument|blowing across a hole|🪈
recorder|wind instrument|blowing into one end and covering holes|-
clarinet|wind instrument|blowing over a thin reed|-
oboe|wind instrument|blowing through a double reed|-
saxophone|wind instrument|blowing into a reed on a curved metal tube|🎷
trumpet|brass instrument|buzzing the lips and pressing three valves|🎺
trombone|brass instrument|buzzing the lips and moving a slide|-
tuba|brass instrument|buzzing the lips into a very big tube|-
harmonica|wind instrument|blowing and sucking air through small holes|-
drum|percussion instrument|hitting a skin with sticks or hands|🥁
triangle|percussion instrument|hitting a bent metal rod|-
xylophone|percussion instrument|hitting wooden bars with small hammers|-
tambourine|percussion instrument|shaking and hitting it|-
pair of cymbals|percussion instrument|hitting two metal plates together|-
bell|percussion instrument|swinging or hitting it|🔔"""

# name | players in a team or - | what one needs | goal or place | emoji
SPORTS = """football|eleven|a ball and two goals|kick the ball into the goal|⚽
basketball|five|a ball and two baskets|throw the ball into the basket|🏀
volleyball|six|a ball and a high net|make the ball touch the floor on the other side of the net|🏐
handball|seven|a ball and two goals|throw the ball into the goal|🤾
baseball|nine|a bat, a ball and gloves|hit the ball and run around the bases|⚾
cricket|eleven|a bat, a ball and wickets|hit the ball and make runs|🏏
ice hockey|six|skates, sticks and a puck|shoot the puck into the goal|🏒
rugby|-|an oval ball|carry the ball over the line of the other team|🏉
water polo|seven|a ball and a swimming pool|throw the ball into a goal in the water|🤽
tennis|-|rackets, a ball and a net|hit the ball over the net so that the other player cannot return it|🎾
table tennis|-|small bats, a light ball and a table|hit the ball over the little net on a table|🏓
badminton|-|rackets and a shuttlecock|hit the shuttlecock over the net|🏸
golf|-|clubs and a small ball|hit a small ball into a hole in few strokes|⛳
bowling|-|a heavy ball and ten pins|knock down ten pins|🎳
swimming|-|water and a swimsuit|move quickly through the water|🏊
skiing|-|skis and snow|slide down a snowy mountain|⛷️
ice skating|-|ice skates and ice|glide over the ice|⛸️
archery|-|a bow and arrows|hit a target with an arrow|🏹
fencing|-|a thin sword and a mask|touch the other person with the sword|🤺
boxing|-|gloves and a ring|hit the other person with gloved fists|🥊
judo|-|a white suit and a mat|throw the other person onto the mat|🥋
surfing|-|a board and waves|ride on a wave|🏄
climbing|-|a rope and strong hands|get to the top of a wall or rock|🧗
chess|-|a board and thirty-two pieces|trap the king of the other player|♟️
checkers|-|a board and round pieces|capture all the pieces of the other player|-
dominoes|-|tiles with dots|lay all your tiles|-
darts|-|small darts and a round board|hit the right fields on a board|🎯
hide-and-seek|-|good hiding places|find everyone who is hiding|🙈
tag|-|space to run|touch another player so that it is their turn to chase|-
a jigsaw puzzle|-|a picture cut into pieces|fit the pieces together|🧩"""

# name | what for
TOOLS = """hammer|drive nails into wood|🔨
saw|cut wood|🪚
screwdriver|turn screws|🪛
wrench|turn nuts and bolts|🔧
drill|make holes|-
pair of pliers|grip and bend wire|-
axe|chop wood|🪓
chisel|carve wood or stone|-
file|make metal smooth|-
spade|dig holes|-
rake|gather leaves|-
shovel|move snow or sand|-
pickaxe|break hard ground|⛏️
tape measure|measure how long things are|-
spirit level|check whether a thing is level|-
paintbrush|paint walls|🖌️
sheet of sandpaper|make wood smooth|-
jack|lift up a car|-
thermometer|measure temperature|🌡️
compass|find north|🧭
telescope|look at the stars|🔭
microscope|look at very tiny things|🔬
scale|find out how heavy things are|⚖️
pair of binoculars|see things that are far away|-
barometer|measure the pressure of the air|-
stopwatch|measure short times|⏱️
fishing rod|catch fish|🎣
pair of tweezers|pull out splinters|-
sewing machine|sew clothes fast|-
loom|weave cloth|-
anchor|keep a ship in its place|⚓"""

# name | place from the sun or - | kind | fact | emoji
PLANETS = """Mercury|first|a rocky planet|is the smallest planet of our solar system|-
Venus|second|a rocky planet|is the hottest planet of our solar system|-
Earth|third|a rocky planet|is the only planet known to have life|🌍
Mars|fourth|a rocky planet|is called the red planet|🔴
Jupiter|fifth|a gas giant|is the largest planet of our solar system|-
Saturn|sixth|a gas giant|has the brightest rings|🪐
Uranus|seventh|an ice giant|lies on its side as it goes around the sun|-
Neptune|eighth|an ice giant|is the farthest planet from the sun|-"""

# material | where it comes from | what one makes of it
MATERIALS = """wood|trees|furniture and paper
paper|wood|books and newspapers
glass|sand|windows and bottles
plastic|oil|bottles and toys
wool|sheep|sweaters and blankets
cotton|the cotton plant|T-shirts and towels
silk|silkworms|fine dresses and ties
leather|the skins of animals|shoes and bags
rubber|the sap of rubber trees|tires and balls
steel|iron|bridges and cars
brick|baked clay|houses and walls
pottery|clay|pots and vases
concrete|cement, sand, stones and water|buildings and bridges
wax|bees or oil|candles
cork|the bark of the cork oak|bottle stoppers
linen|the flax plant|tablecloths and summer clothes
charcoal|burned wood|fires for grilling
denim|cotton|jeans"""

# subject | what one learns about there
SUBJECTS = """math|numbers and shapes
biology|plants, animals and the human body
chemistry|what things are made of and how they change
physics|forces, light, heat and electricity
history|what happened in the past
geography|countries, rivers and mountains
music class|songs, notes and instruments
art class|drawing, painting and shaping
physical education|sports and keeping fit
astronomy|stars, planets and space
English class|reading, writing and speaking English"""

# holiday | when | what people do | emoji
HOLIDAYS = """Christmas|on December 25|give presents and decorate a tree|🎄
New Year's Day|on January 1|celebrate the start of a new year|🎆
Halloween|on October 31|dress up in costumes and ask for candy|🎃
Valentine's Day|on February 14|give cards and flowers to those they love|💝
Saint Patrick's Day|on March 17|wear green clothes|☘️
April Fools' Day|on April 1|play tricks on each other|-
American Independence Day|on July 4|watch fireworks|🎆
Earth Day|on April 22|think about how to protect nature|🌍
Easter|in spring|look for painted eggs|🐣
Thanksgiving in the United States|in November|eat turkey with the family|🦃
Hanukkah|most often in December|light one more candle each evening|🕎
Diwali|in fall|light little lamps|🪔
Chinese New Year|in January or February|hang up red lanterns|🧧
a birthday|once a year|eat cake and blow out candles|🎂"""

# relation | word
FAMILY = """mother's mother|grandmother
father's mother|grandmother
mother's father|grandfather
father's father|grandfather
mother's brother|uncle
father's brother|uncle
mother's sister|aunt
father's sister|aunt
uncle's son|cousin
aunt's daughter|cousin
sister's son|nephew
brother's son|nephew
sister's daughter|niece
brother's daughter|niece
wife's mother|mother-in-law
husband's father|father-in-law
daughter's husband|son-in-law
son's wife|daughter-in-law
son's son|grandson
daughter's daughter|granddaughter"""

# feeling | when one feels it | emoji
FEELINGS = """happy|something nice happens|😊
sad|they lose something they love|😢
angry|someone treats them badly|😠
afraid|there is danger|😨
surprised|something happens that they did not expect|😮
tired|they have not slept enough|😴
bored|there is nothing interesting to do|😐
proud|they have done something well|😌
lonely|they have nobody to be with|-
jealous|someone else has what they want|-
grateful|someone has helped them|🙏
curious|they want to know something|🤔
embarrassed|they make a mistake in front of others|😳
nervous|an important test is coming|😬
disappointed|a hope does not come true|😞
relieved|a danger has passed|😅
homesick|they are far from home and miss it|-
excited|something great is about to begin|🤩
hungry|they have not eaten for a long time|-
thirsty|they have not drunk for a long time|-"""

# shape | sides
SHAPES = """triangle|three
square|four
rectangle|four
pentagon|five
hexagon|six
heptagon|seven
octagon|eight
decagon|ten"""

# color and color | mix
MIXES = """blue and yellow|green
red and yellow|orange
red and blue|purple
red and white|pink
black and white|grey
red and green paint|brown"""

# unit (with article) | how many | of what
UNITS = """a minute|sixty|seconds
an hour|sixty|minutes
a day|twenty-four|hours
a week|seven|days
a normal year|365|days
a leap year|366|days
a year|twelve|months
a decade|ten|years
a century|one hundred|years
a millennium|one thousand|years
a meter|one hundred|centimeters
a centimeter|ten|millimeters
a kilometer|one thousand|meters
a kilogram|one thousand|grams
a liter|one thousand|milliliters
a foot|twelve|inches
a yard|three|feet
a pound|sixteen|ounces
a dozen eggs|twelve|eggs
a dollar|one hundred|cents
a euro|one hundred|cents
a pair|two|things
a full circle|360|degrees
a right angle|ninety|degrees
a deck of cards without jokers|fifty-two|cards
the English alphabet|twenty-six|letters
the solar system|eight|planets
a football match|two|halves
a rainbow|seven|colors"""

# season | what it brings | comes after | emoji
SEASONS = """spring|flowers open and birds build nests|winter|🌸
summer|the days are long and warm|spring|☀️
fall|leaves change color and drop from the trees|summer|🍂
winter|the days are short and cold|fall|❄️"""

# instrument or thing of measuring | what it measures
MEASURES = """thermometer|temperature
ruler|length
clock|time
kitchen scale|weight
barometer|air pressure
speedometer|speed
compass needle|direction
measuring cup|volume
rain gauge|rainfall
seismograph|earthquakes"""

# word | opposite
OPPOSITES = """hot|cold
big|small
happy|sad
tall|short
up|down
left|right
open|closed
fast|slow
wet|dry
young|old
light|dark
good|bad
loud|quiet
full|empty
early|late
rich|poor
clean|dirty
hard|soft
awake|asleep
sick|healthy
strong|weak
thick|thin
deep|shallow
wide|narrow
heavy|light
sharp|blunt
sweet|sour
cheap|expensive
easy|difficult
true|false
inside|outside
above|below
first|last
always|never
begin|end
buy|sell
give|take
win|lose
push|pull
laugh|cry
love|hate
remember|forget
arrive|leave
rise|fall
brave|cowardly
polite|rude
smooth|rough
alive|dead
near|far
same|different
safe|dangerous
ancient|modern
friend|enemy
question|answer
north|south
east|west
day|night
war|peace
victory|defeat"""

# adjective | comparative | superlative
DEGREES = """big|bigger|biggest
small|smaller|smallest
tall|taller|tallest
fast|faster|fastest
good|better|best
bad|worse|worst
happy|happier|happiest
hot|hotter|hottest
cold|colder|coldest
old|older|oldest
easy|easier|easiest
heavy|heavier|heaviest
thin|thinner|thinnest
late|later|latest"""

# one | many
PLURALS = """mouse|mice
child|children
man|men
woman|women
foot|feet
tooth|teeth
goose|geese
sheep|sheep
leaf|leaves
knife|knives
wolf|wolves
city|cities
baby|babies
box|boxes
bus|buses
cherry|cherries
potato|potatoes
loaf|loaves
ox|oxen
fox|foxes"""

# verb | past
PASTS = """go|went
see|saw
eat|ate
drink|drank
run|ran
swim|swam
sing|sang
write|wrote
fly|flew
give|gave
take|took
come|came
buy|bought
think|thought
bring|brought
catch|caught
teach|taught
find|found
sleep|slept
make|made
speak|spoke
break|broke
know|knew
begin|began
fall|fell"""

# name | what he or she was | verb phrase in the past | he or she | word for the deed
PEOPLE = """Albert Einstein|scientist|worked out the theory of relativity|he
Isaac Newton|scientist|described gravity and the laws of motion|he
Galileo Galilei|scientist|discovered four large moons of Jupiter|he
Nicolaus Copernicus|astronomer|taught that the Earth moves around the sun|he
Johannes Kepler|astronomer|found out that planets move along ellipses|he
Marie Curie|scientist|discovered radium and polonium|she
Charles Darwin|scientist|explained how living things evolve|he
Louis Pasteur|scientist|showed that germs cause food to spoil|he
Robert Koch|doctor|found the germ that causes tuberculosis|he
Alexander Fleming|doctor|discovered penicillin|he
Edward Jenner|doctor|made the first vaccine against smallpox|he
Florence Nightingale|nurse|made hospitals cleaner and trained nurses|she
Gregor Mendel|monk|found the laws of heredity with pea plants|he
Michael Faraday|scientist|built the first electric motor and generator|he
James Clerk Maxwell|scientist|described electricity and magnetism in a few equations|he
Dmitri Mendeleev|chemist|made the periodic table of the elements|he
Antoine Lavoisier|chemist|explained what happens when things burn|he
Archimedes|thinker|found out why things float|he
Pythagoras|thinker|gave his name to a famous rule about triangles|he
Euclid|mathematician|wrote a famous book about geometry|he
Ada Lovelace|mathematician|wrote the first computer program|she
Alan Turing|mathematician|helped to break the secret code of the Enigma machine|he
Carl Friedrich Gauss|mathematician|made great discoveries about numbers|he
Jane Goodall|scientist|studied wild chimpanzees in Tanzania|she
Stephen Hawking|scientist|studied black holes|he
Rosalind Franklin|scientist|took a photo that helped to find the shape of DNA|she
Lise Meitner|scientist|helped to explain how atoms split|she
Edwin Hubble|astronomer|showed that there are other galaxies|he
Carl Linnaeus|scientist|gave plants and animals their Latin names|he
Alexander von Humboldt|explorer|explored South America and its nature|he
Wolfgang Amadeus Mozart|composer|wrote the opera The Magic Flute|he
Ludwig van Beethoven|composer|wrote the Ninth Symphony although he could not hear well|he
Johann Sebastian Bach|composer|wrote the Brandenburg Concertos|he
Antonio Vivaldi|composer|wrote The Four Seasons|he
George Frideric Handel|composer|wrote the Hallelujah chorus|he
Joseph Haydn|composer|wrote more than a hundred symphonies|he
Pyotr Tchaikovsky|composer|wrote the ballet Swan Lake|he
Johann Strauss the Younger|composer|wrote the waltz The Blue Danube|he
Giuseppe Verdi|composer|wrote the opera Aida|he
Frederic Chopin|composer|wrote many pieces for the piano|he
Edvard Grieg|composer|wrote the music for Peer Gynt|he
Sergei Prokofiev|composer|wrote Peter and the Wolf|he
Leonardo da Vinci|painter|painted the Mona Lisa|he
Michelangelo|artist|painted the ceiling of the Sistine Chapel|he
Raphael|painter|painted The School of Athens|he
Rembrandt|painter|painted The Night Watch|he
Johannes Vermeer|painter|painted Girl with a Pearl Earring|he
Vincent van Gogh|painter|painted The Starry Night|he
Claude Monet|painter|painted water lilies in his garden|he
Pablo Picasso|painter|painted Guernica|he
Frida Kahlo|painter|painted many pictures of herself|she
Albrecht Durer|painter|made a famous picture of a young hare|he
Edvard Munch|painter|painted The Scream|he
Gustav Klimt|painter|painted The Kiss with gold leaf|he
Katsushika Hokusai|artist|made the picture The Great Wave|he
Auguste Rodin|sculptor|made the statue The Thinker|he
William Shakespeare|writer|wrote the play Romeo and Juliet|he
Charles Dickens|writer|wrote Oliver Twist|he
Jane Austen|writer|wrote Pride and Prejudice|she
Mary Shelley|writer|wrote Frankenstein|she
Mark Twain|writer|wrote The Adventures of Tom Sawyer|he
Lewis Carroll|writer|wrote Alice's Adventures in Wonderland|he
Hans Christian Andersen|writer|wrote the fairy tale The Ugly Duckling|he
Astrid Lindgren|writer|wrote Pippi Longstocking|she
Beatrix Potter|writer|wrote The Tale of Peter Rabbit|she
Jules Verne|writer|wrote Twenty Thousand Leagues Under the Seas|he
Robert Louis Stevenson|writer|wrote Treasure Island|he
Daniel Defoe|writer|wrote Robinson Crusoe|he
Jonathan Swift|writer|wrote Gulliver's Travels|he
Rudyard Kipling|writer|wrote The Jungle Book|he
Carlo Collodi|writer|wrote The Adventures of Pinocchio|he
Johanna Spyri|writer|wrote Heidi|she
Miguel de Cervantes|writer|wrote Don Quixote|he
Johann Wolfgang von Goethe|writer|wrote the play Faust|he
Leo Tolstoy|writer|wrote War and Peace|he
Arthur Conan Doyle|writer|wrote the stories of Sherlock Holmes|he
Agatha Christie|writer|wrote the detective stories of Hercule Poirot|she
Homer|poet|is said to have written the Odyssey|he
Dante Alighieri|poet|wrote The Divine Comedy|he
Aesop|storyteller|is said to have told The Tortoise and the Hare|he
Antoine de Saint-Exupery|writer|wrote The Little Prince|he
Christopher Columbus|explorer|sailed from Spain to America in 1492|he
Marco Polo|traveler|traveled from Venice to China|he
Vasco da Gama|explorer|found the sea route from Portugal to India|he
Ferdinand Magellan|explorer|began the first voyage around the world|he
James Cook|explorer|mapped the coasts of New Zealand|he
Roald Amundsen|explorer|led the first team to reach the South Pole|he
Ernest Shackleton|explorer|saved all his men after his ship sank in the ice|he
Yuri Gagarin|astronaut|was the first person in space|he
Valentina Tereshkova|astronaut|was the first woman in space|she
Neil Armstrong|astronaut|was the first person to walk on the moon|he
Edmund Hillary|climber|climbed Mount Everest together with Tenzing Norgay|he
Amelia Earhart|pilot|was the first woman to fly alone across the Atlantic Ocean|she
Charles Lindbergh|pilot|flew alone from New York to Paris without a stop|he
George Washington|statesman|was the first president of the United States|he
Abraham Lincoln|statesman|ended slavery in the United States|he
Martin Luther King|leader|fought peacefully for the rights of Black Americans|he
Rosa Parks|activist|refused to give up her seat on a bus in Alabama|she
Nelson Mandela|statesman|was the first Black president of South Africa|he
Mahatma Gandhi|leader|led India to freedom without violence|he
Cleopatra|queen|was the last queen of ancient Egypt|she
Tutankhamun|king|was a boy king of ancient Egypt with a golden mask|he
Julius Caesar|leader|led the armies of Rome and conquered Gaul|he
Augustus|emperor|was the first emperor of Rome|he
Alexander the Great|king|built a huge empire from Greece to India|he
Joan of Arc|heroine|led French soldiers as a young girl|she
Napoleon Bonaparte|emperor|crowned himself emperor of France|he
Queen Victoria|queen|ruled Great Britain for more than sixty years|she
Socrates|thinker|taught people in Athens by asking questions|he
Confucius|thinker|taught people in China about respect and kindness|he
Charlie Chaplin|actor|played a funny man with a small mustache and a cane|he
Walt Disney|film maker|created Mickey Mouse together with Ub Iwerks|he
Mother Teresa|nun|cared for poor people in Kolkata|she
Anne Frank|girl|wrote a famous diary while she was hiding|she
Helen Keller|writer|was deaf and blind and became a famous writer|she"""

# thing | inventor | when in words
INVENTIONS = """the telephone|Alexander Graham Bell|in 1876
the phonograph|Thomas Edison|in 1877
dynamite|Alfred Nobel|in 1867
the lightning rod|Benjamin Franklin|around 1750
the battery|Alessandro Volta|around 1800
the hot-air balloon|the Montgolfier brothers|in 1783
the modern car|Karl Benz|around 1885
the diesel engine|Rudolf Diesel|in the 1890s
the steam locomotive|Richard Trevithick|around 1804
the first powered airplane|the Wright brothers|in 1903
the World Wide Web|Tim Berners-Lee|in 1989
Braille writing|Louis Braille|around 1824
Morse code|Samuel Morse|around 1838
the saxophone|Adolphe Sax|around 1840
vulcanized rubber|Charles Goodyear|around 1839
the mercury thermometer|Daniel Gabriel Fahrenheit|in 1714
the Celsius scale|Anders Celsius|in 1742
the pendulum clock|Christiaan Huygens|in 1656
the cotton gin|Eli Whitney|in 1793
X-ray photos|Wilhelm Conrad Rontgen|in 1895
the ballpoint pen of today|Laszlo Biro|in the 1930s
the jet engine for planes in Britain|Frank Whittle|in the 1930s
the telegraph without wires|Guglielmo Marconi|in the 1890s
the printing press with movable metal type in Europe|Johannes Gutenberg|around 1450
the safety elevator|Elisha Otis|in the 1850s
the zeppelin airship|Ferdinand von Zeppelin|around 1900
the Rubik's Cube|Erno Rubik|in 1974
basketball|James Naismith|in 1891
blue jeans with rivets|Levi Strauss and Jacob Davis|in 1873
the board game The Landlord's Game|Elizabeth Magie|in 1904
windshield wipers|Mary Anderson|in 1903
the dishwasher that first sold well|Josephine Cochrane|in 1886
the paper coffee filter|Melitta Bentz|in 1908
the coil spring toy Slinky|Richard James|in the 1940s
Velcro|George de Mestral|in the 1940s
the traffic light with three positions|Garrett Morgan|in 1923
the first two-wheeled running machine|Karl Drais|in 1817
the kindergarten|Friedrich Frobel|in 1840
the periodic table|Dmitri Mendeleev|in 1869"""

# event | when | sentence
HISTORY = """the First World War begin|1914|The First World War began in 1914.
the First World War end|1918|The First World War ended in 1918.
the Second World War begin|1939|The Second World War began in 1939.
the Second World War end|1945|The Second World War ended in 1945.
people first walk on the moon|1969|People first walked on the moon in 1969.
the Berlin Wall fall|1989|The Berlin Wall fell in 1989.
the French Revolution begin|1789|The French Revolution began in 1789.
Columbus reach America|1492|Columbus reached America in 1492.
the Titanic sink|1912|The Titanic sank in 1912.
the United States declare independence|1776|The United States declared independence in 1776.
the first person fly into space|1961|The first person flew into space in 1961.
the Eiffel Tower open|1889|The Eiffel Tower opened in 1889.
the first modern Olympic Games take place|1896|The first modern Olympic Games took place in 1896.
the great fire of London happen|1666|The great fire of London happened in 1666.
the volcano Vesuvius bury Pompeii|79|The volcano Vesuvius buried Pompeii in the year 79.
the euro become cash|2002|The euro became cash in 2002."""

# question word | helping verb | who or what | rest | answer in two sentences | answer in a word or two
WHY = """why|is|the sky|blue|Sunlight is made of many colors, and the air scatters blue light the most. That is why blue light comes to our eyes from all sides.|scattered light
why|is|the evening sky|red|In the evening, sunlight takes a long way through the air. Most of the blue light is scattered away, so red light is left.|long way
why|does|ice|melt|Ice melts because it gets warmer than zero degrees Celsius. Then the ice turns into liquid water.|warmth
why|does|ice|float on water|Ice is lighter than the same amount of water. That is why it stays on top.|low weight
why|do|we|sleep|Our body and brain need rest. While we sleep, the body repairs itself and the brain sorts what we learned.|rest
why|do|we|dream|The brain stays active while we sleep. It mixes memories and feelings into dreams, but nobody knows exactly why.|active brain
why|do|we|eat|Food gives the body energy. It also gives the body what it needs to grow and stay healthy.|energy
why|do|we|drink water|Most of our body is made of water, and we lose some all day. We drink to replace what we lost.|lost water
why|do|we|breathe|Our body needs oxygen from the air. When we breathe out, we get rid of carbon dioxide.|oxygen
why|do|we|sweat|We sweat when the body gets too hot. The sweat dries on the skin and cools it.|cooling
why|do|we|shiver|We shiver when we are cold. The quick movements of the muscles make heat.|heat
why|do|we|yawn|We often yawn when we are tired or bored. Scientists are still not sure of the exact reason.|tiredness
why|do|we|sneeze|Dust or germs tickle the inside of the nose. A sneeze blows them out.|dust
why|do|we|cough|Something bothers the throat or the lungs. A cough pushes it out with a strong blast of air.|clean airways
why|do|we|blink|Blinking keeps the eyes wet. It also wipes dust away.|wet eyes
why|do|we|cry|Tears keep our eyes wet and wash out dust. We also cry when our feelings are very strong.|strong feelings
why|do|we|brush our teeth|Tiny bits of food stay on the teeth and feed germs. Brushing takes them away and keeps the teeth healthy.|healthy teeth
why|do|we|wash our hands|Germs stick to our hands when we touch things. Soap and water wash them away so that we do not get sick.|germs
why|do|we|get goose bumps|Tiny muscles pull up the hairs on our skin when we are cold or scared. This makes small bumps.|tiny muscles
why|do|we|have bones|Bones hold up the body like a frame. They also protect soft parts such as the brain and the heart.|support
why|do|we|get hungry|The stomach is empty and the body needs energy. It tells the brain that it is time to eat.|empty stomach
why|do|we|have two eyes|With two eyes we see things from two slightly different places. This helps us to tell how far away things are.|distance
why|do|we|have two ears|A sound reaches one ear a little earlier than the other. This tells us where the sound comes from.|direction
why|does|the heart|beat|The heart beats to pump blood through the body. The blood carries oxygen and food to every part.|pump blood
why|does|hair|turn grey|Hair gets its color from a substance called melanin. With age the body makes less of it, so the hair turns grey or white.|less melanin
why|is|exercise|healthy|Exercise makes the heart and the muscles strong. It also helps us to feel happy and to sleep well.|strong heart
why|are|vegetables|healthy|Vegetables are full of vitamins and fiber. The body needs them to stay well.|vitamins
why|is|too much sugar|bad for the teeth|Germs in the mouth turn sugar into acid. The acid makes holes in the teeth.|acid
why|is|blood|red|Blood contains a substance with iron that carries oxygen. This substance is red.|iron
why|do|leaves|change color in fall|In fall the trees take the green color out of their leaves. Then the yellow and orange colors can be seen.|no green
why|do|trees|lose their leaves|In winter it is cold and there is little light. Trees drop their leaves to save water and energy.|save water
why|are|leaves|green|Leaves contain a green substance called chlorophyll. It catches sunlight so that the plant can make food.|chlorophyll
why|do|plants|need light|Plants use light to make sugar out of water and air. Without light they cannot make their food.|to make food
why|do|plants|have roots|Roots take in water and minerals from the soil. They also hold the plant in its place.|water
why|do|flowers|smell|The smell calls bees and other insects. The insects carry pollen from flower to flower.|insects
why|do|bees|visit flowers|Bees collect nectar and pollen for food. On the way they carry pollen from flower to flower.|nectar
why|do|bees|make honey|Bees make honey as food for the winter. In winter there are no flowers with nectar.|winter food
why|do|birds|fly south|In winter there is little food in the north. Many birds fly to warm places where they find more.|food
why|do|birds|sing|Birds sing to find a partner. They also sing to tell other birds to stay away from their place.|find partners
why|can|birds|fly|Birds have wings, strong muscles and light bones. Their feathers push against the air and lift them up.|wings
why|do|birds|build nests|A nest keeps the eggs safe and warm. The young birds stay in it until they can fly.|safe eggs
why|can|fish|breathe under water|Fish have gills. With their gills they take oxygen out of the water.|gills
why|do|cats|purr|Cats often purr when they feel well. Sometimes they also purr to calm themselves.|feeling well
why|do|cats|have whiskers|Whiskers feel the smallest touch. They tell a cat whether it fits through a gap in the dark.|touch
why|do|dogs|wag their tails|Dogs show their feelings with their tails. A happy dog often wags its tail widely.|feelings
why|do|dogs|pant|Dogs cannot sweat much through their skin. They cool down by breathing quickly with an open mouth.|cooling down
why|do|spiders|make webs|A spider makes a web to catch insects. The insects stick to the threads.|catch insects
why|do|giraffes|have long necks|With its long neck a giraffe reaches leaves high up in trees. Few other animals can eat there.|high leaves
why|do|camels|have humps|A camel stores fat in its humps. It lives on the fat when there is nothing to eat.|fat
why|do|elephants|have big ears|Elephants use their ears to cool their blood. They flap them like fans.|cooling fans
why|do|zebras|have stripes|Scientists think that stripes confuse biting flies. Flies find it hard to land on them.|flies
why|do|some animals|sleep all winter|In winter it is cold and there is little to eat. Animals that hibernate save energy until spring.|save energy
why|do|snakes|shed their skin|The skin of a snake does not grow with it. When it gets too tight, the snake crawls out of it.|too tight
why|do|cows|chew for so long|Grass is hard to digest. Cows bring it up again and chew it a second time.|hard grass
why|do|frogs|have wet skin|Frogs take in oxygen through their skin. This works only when the skin is wet.|oxygen intake
why|do|polar bears|have white fur|White fur is hard to see on snow and ice. So a polar bear can get close to seals.|camouflage
why|did|the dinosaurs|die out|About 66 million years ago, a huge rock from space hit the Earth. Dust made it dark and cold, and most dinosaurs could not live on.|space rock
why|do|we|have day and night|The Earth turns around itself once a day. The side that faces the sun has day, and the other side has night.|Earth's turning
why|do|we|have seasons|The Earth is tilted as it goes around the sun. So each half gets more sun in summer and less in winter.|Earth's tilt
why|does|the moon|change its shape|The moon itself does not change. We see different parts of its sunny side as it goes around the Earth.|sunny side
why|does|the moon|shine|The moon makes no light of its own. It reflects the light of the sun.|reflected sunlight
why|do|stars|twinkle|The air above us is always moving. It bends the light of the stars a little, so they seem to twinkle.|moving air
why|does|the sun|shine|The sun is a huge ball of very hot gas. Deep inside, hydrogen turns into helium and gives off light and heat.|hydrogen fusion
why|can't|people|breathe on the moon|The moon has no air. Astronauts must bring their own oxygen.|no air
why|do|things|fall down|The Earth pulls everything toward its center. This pull is called gravity.|gravity
why|do|astronauts|float in a space station|The station and the people in it fall around the Earth together. So they feel no weight.|falling together
why|is|the sea|salty|Rain washes salts out of rocks, and rivers carry them to the sea. The water dries up into the air, but the salt stays.|rock salts
why|is|there|high and low tide|The moon pulls on the water of the sea. As the Earth turns, the water rises and falls.|moon's pull
why|do|waves|form on the sea|Wind blows over the water and pushes it. The stronger the wind, the higher the waves.|wind
why|does|it|rain|Warm air carries water up into the sky, where it cools and forms clouds. When the drops get heavy, they fall as rain.|heavy drops
why|does|it|snow|When it is very cold, water in the clouds freezes into crystals. They stick together and fall as snowflakes.|cold clouds
why|does|thunder|follow lightning|Lightning heats the air so fast that it makes a loud bang. Light is faster than sound, so we see it first.|slower sound
why|does|the wind|blow|The sun warms some places more than others. Warm air rises, and cooler air flows in to take its place.|warm air
why|do|we|see rainbows|Sunlight enters drops of rain and is split into its colors. We see them when the sun is behind us.|split light
why|is|it|cold on high mountains|The air gets thinner higher up. Thin air holds less heat.|thin air
why|is|it|warm near the equator|The sun stands high in the sky there all year. Its rays hit the ground almost straight.|high sun
why|do|volcanoes|erupt|Deep in the Earth there is hot melted rock called magma. Gas presses it up until it breaks out.|magma
why|do|earthquakes|happen|The outer layer of the Earth is made of huge plates that move slowly. When they slip suddenly, the ground shakes.|moving plates
why|do|ships|float|A ship pushes away a lot of water. The water pushes back and carries the ship.|pushing water
why|can|airplanes|fly|The wings turn the moving air downward. The air pushes the wings up in return.|lift
why|does|a hot-air balloon|rise|Hot air is lighter than cold air. The hot air inside lifts the balloon.|hot air
why|does|iron|rust|Iron rusts when water and oxygen get to it. They turn the iron into a red-brown substance.|oxygen and water
why|does|a magnet|stick to a fridge|The door of a fridge is made of steel, which contains iron. Magnets attract iron.|steel door
why|does|wood|burn|When wood gets hot enough, it gives off gases that join with oxygen. This gives off light and heat.|hot gases
why|does|a candle|go out under a glass|A flame needs oxygen. When the oxygen under the glass is used up, the flame goes out.|missing oxygen
why|does|a metal spoon|feel cold|Metal carries heat away from the hand quickly. So it feels colder than wood.|heat loss
why|does|a mirror|show our face|A mirror is very smooth and throws back the light. The light from our face comes back to our eyes.|reflection
why|do|we|have shadows|Light travels in straight lines. Where our body blocks the light, it is dark.|blocked light
why|do|we|hear an echo|Sound bounces off walls and mountains. We hear it again when it comes back.|bouncing sound
why|does|a black shirt|get hot in the sun|Black things take in almost all the light. The light turns into heat.|absorbed light
why|does|wet laundry|dry|The water in it turns into a gas called water vapor. The wind and the sun make this faster.|evaporation
why|does|bread dough|rise|Yeast in the dough eats sugar and makes gas. The bubbles make the dough bigger.|yeast
why|does|popcorn|pop|There is a little water inside each kernel. When it gets hot, it turns into steam and bursts the shell.|steam
why|does|soap|clean|One end of a soap particle holds on to grease and the other to water. So the water can carry the grease away.|grease removal
why|does|an onion|make us cry|When we cut an onion, it lets out a gas. The gas stings our eyes, and tears wash it away.|stinging gas
why|does|food|go bad|Tiny living things such as bacteria and mold grow on food. Cold slows them down, so we use a fridge.|bacteria
why|does|salt|melt ice|Salty water freezes at a lower temperature than pure water. So salt on ice makes it melt.|lower freezing
why|does|a ball|bounce|The ball is squeezed when it hits the ground. Then it springs back into its shape and pushes itself up.|springing back
why|do|bicycles|have brakes|Brakes press on the wheels and rub against them. This rubbing slows the bicycle down.|slowing down
why|do|cars|need fuel or electricity|The engine or motor needs energy to turn the wheels. The energy comes from fuel or from a battery.|wheel energy
why|do|people|wear helmets|A hard fall can hurt the head. A helmet takes up much of the blow.|head protection
why|do|people|go to school|In school people learn to read, write and count. They also learn to get along with others.|learning
why|do|people|use money|It is hard to find someone who wants to swap exactly what we have. With money everyone can buy and sell easily.|easy trade
why|do|people|recycle|Old paper, glass and metal can be made into new things. This saves energy and makes less waste.|less waste
why|do|people|have names|With a name we can call someone. It also tells people apart.|telling apart
why|do|people|plant trees|Trees clean the air and give shade. They are also a home for many animals.|clean air
why|do|people|wear sunscreen|The sun sends out light that can burn the skin. Sunscreen blocks much of it.|sunburn
why|is|water|important|All living things need water to live. Without it plants, animals and people would die.|life
why|is|the Earth|getting warmer|Burning coal, oil and gas puts carbon dioxide into the air. It holds back heat like a blanket.|carbon dioxide
why|are|forests|important|Forests give us clean air and wood. They are also a home for many animals and plants.|clean air and wood
what happens when|-|-|ice gets warm|Ice melts when it gets warm. It turns into liquid water.|it melts
what happens when|-|-|water gets very cold|Water freezes at zero degrees Celsius. It turns into hard ice.|it freezes
what happens when|-|-|water boils|Water boils at about one hundred degrees Celsius. It turns into steam.|steam forms
what happens when|-|-|a seed gets water and warmth|The seed opens and a small root comes out. Then a green shoot grows toward the light.|it sprouts
what happens when|-|-|a caterpillar grows up|The caterpillar turns into a pupa. Later a butterfly comes out.|it transforms
what happens when|-|-|a tadpole grows up|A tadpole grows legs and loses its tail. Then it is a frog.|frog
what happens when|-|-|one drops a stone into water|The stone sinks to the bottom. Rings of small waves run over the water.|it sinks
what happens when|-|-|one mixes blue and yellow paint|The two colors blend together. The paint turns green.|green
what happens when|-|-|the sun goes down|It gets dark and cooler. The moon and the stars can be seen if the sky is clear.|darkness
what happens when|-|-|the moon moves in front of the sun|The sun seems to get dark for a short time. This is called a solar eclipse.|solar eclipse
what happens when|-|-|the Earth moves between the sun and the moon|The shadow of the Earth falls on the moon. This is called a lunar eclipse.|lunar eclipse
what happens when|-|-|a plant gets no water|The leaves hang down and dry out. After some time the plant dies.|it dies
what happens when|-|-|two magnets meet with the same poles|The same poles push each other away. Different poles pull each other.|they repel
what happens when|-|-|one puts sugar into tea|The sugar dissolves in the tea. It can no longer be seen, but the tea tastes sweet.|it dissolves
what happens when|-|-|oil and water are mixed|Oil and water do not stay mixed. The oil floats on top because it is lighter.|they separate
what happens when|-|-|we run fast|The heart beats faster and we breathe more quickly. So the muscles get more oxygen.|faster heartbeat
what happens when|-|-|one cuts a finger|The finger bleeds, and then the blood gets thick and closes the cut. Under the crust new skin grows.|bleeding
what happens when|-|-|a balloon gets a hole|The air rushes out of the balloon. The balloon pops or gets small.|air escapes
what happens when|-|-|an egg is boiled|The liquid inside gets firm in the heat. After about ten minutes the egg is hard.|it hardens
what happens when|-|-|milk stands in the sun for too long|Bacteria grow quickly in warm milk. The milk turns sour.|sour milk
what happens when|-|-|snow falls on warm ground|The snow melts when it touches the ground. Only water is left.|melting
what happens when|-|-|chocolate gets warm|Chocolate gets soft and melts at about the warmth of our body. When it cools, it gets hard again.|softening
how|do|plants|make food|Plants take in water and a gas called carbon dioxide. With the help of sunlight they make sugar out of them.|sunlight
how|do|bees|make honey|Bees collect nectar from flowers and carry it to the hive. There they dry it until it is thick honey.|drying nectar
how|do|fish|swim|Fish move their body and tail from side to side. Their fins help them to steer.|tail
how|do|caterpillars|become butterflies|A caterpillar eats a lot and then turns into a pupa. Inside the pupa it changes into a butterfly.|pupa
how|do|bats|find their way in the dark|Bats send out very high calls. The echo tells them where things are.|echoes
how|do|spiders|catch flies|Spiders build sticky webs. When a fly gets stuck, the spider feels the threads shake.|sticky webs
how|do|chicks|get out of the egg|A chick has a small hard tip on its beak. With it the chick breaks the shell.|egg tooth
how|is|bread|made|One mixes flour, water, salt and yeast into a dough. The dough rises and is baked in an oven.|baking
how|is|butter|made|Cream is stirred for a long time. The fat sticks together and becomes butter.|stirring cream
how|is|cheese|made|Milk is made thick so that soft lumps form. The lumps are pressed and left to ripen.|thick milk
how|is|paper|made|Wood is ground up and mixed with water into a pulp. The pulp is pressed flat and dried.|wood pulp
how|is|glass|made|Sand is melted together with other materials at a great heat. The hot glass is shaped and cooled.|melting sand
how|is|salt|won from the sea|Sea water is led into flat pools. The sun dries up the water, and the salt stays behind.|drying
how|is|wool|made into yarn|The wool is washed and combed. Then it is twisted into a long thread.|spinning
how|do|clouds|form|Water rises into the air as vapor. High up it cools and turns into tiny drops.|cooling vapor
how|do|rivers|begin|Rain and melted snow run together, or water comes out of a spring. A small stream grows into a river.|springs
how|do|mountains|form|Huge plates of the Earth push against each other. The land folds and rises over millions of years.|pushing plates
how|do|we|see|Light enters the eye through the pupil and falls on the back of the eye. Nerves send the picture to the brain.|light
how|do|we|hear|Sound makes the eardrum shake. Nerves in the inner ear send signals to the brain.|vibrations
how|do|germs|spread|Germs travel through the air when people cough or sneeze. They also stick to hands and things.|air and hands
how|do|vaccines|work|A vaccine shows the body a harmless part or form of a germ. The body learns to fight it before the real germ comes.|training
how|do|magnets|work|A magnet has a north pole and a south pole. It pulls things made of iron toward it.|poles
how|do|wind turbines|make electricity|The wind turns the big blades. The blades turn a generator that makes electricity.|generator
how|do|solar panels|work|Solar panels catch the light of the sun. They turn it into electricity.|solar light
how|does|a compass|work|The needle of a compass is a small magnet. It lines up with the magnetic field of the Earth.|magnetism
how|does|a fridge|keep food cold|A liquid turns into gas inside thin pipes and takes up heat. The heat is given off at the back of the fridge.|heat removal
how|does|a thermometer|work|The liquid in the glass takes up more room when it gets warm. So it rises in the thin tube.|rising liquid
how|does|a pulley|help us|A rope runs over a wheel. Several wheels together make it easier to lift heavy things.|easier lifting
how|does|a lever|help us|A lever is a bar that turns on a point. With a long bar a small force can lift a heavy thing.|small force
what|do|plants|need to grow|Plants need light, water, air and warmth. They also need minerals from the soil.|light and water
what|do|babies|need|Babies need milk, sleep and clean diapers. Most of all they need love and care.|love
what|is|rain|made of|Rain is made of drops of water that fall from clouds. The water rose from seas, lakes and the ground before.|water drops
what|is|fog|made of|Fog is made of tiny drops of water in the air. It is a cloud that lies on the ground.|tiny drops
what|is|air|made of|Air is a mix of gases. Most of it is nitrogen, and about a fifth is oxygen.|nitrogen, oxygen
what|is|the sun|made of|The sun is a ball of hot gas. It is made mostly of hydrogen and helium.|hydrogen, helium
what|is|an iceberg|made of|An iceberg is made of frozen fresh water. It broke off from a glacier and floats in the sea.|frozen water"""

# word with its article | what it is
NOUNS = """a bridge|a structure that lets people cross a river or a road
a road|a long strip of hard ground for cars and people
a street|a road in a town with houses along it
a path|a narrow way for walking
a tunnel|a way that goes under the ground or through a mountain
a house|a building that people live in
a castle|a large strong building with thick walls and towers
a palace|a large and beautiful house of a king or a queen
a tower|a tall and narrow building
a church|a building where Christians pray
a mosque|a building where Muslims pray
a synagogue|a building where Jews pray
a temple|a building where people worship a god or gods
a school|a place where children learn
a university|a school where grown-ups study
a hospital|a building where sick people get help
a library|a building with many books that people can borrow
a museum|a building where people can look at art or old things
a theater|a building where plays are shown
a cinema|a building where films are shown
a market|a place where people buy and sell things
a bakery|a shop that makes and sells bread
a pharmacy|a shop that sells medicine
a restaurant|a place where people pay for a meal
a hotel|a house where travelers can sleep for money
a factory|a building where things are made with machines
a farm|a place where crops are grown and animals are kept
a barn|a farm building for hay, grain or animals
a stable|a building for horses
a garden|a piece of land where flowers or vegetables are grown
an orchard|a piece of land with fruit trees
a greenhouse|a house of glass where plants grow
a park|a green place in a town where people can walk and play
a playground|a place with swings and slides where children play
a zoo|a place where people can look at wild animals
an aquarium|a tank or a building for fish and other water animals
a harbor|a place where ships are safe from storms
a lighthouse|a tower with a bright light that guides ships
an airport|a place where planes take off and land
a train station|a place where trains stop for people
a bus stop|a place where people wait for the bus
a roof|the part that covers the top of a building
a wall|an upright side of a room or a building
a door|a part of a wall that opens to let people in and out
a window|an opening in a wall with glass in it
a stair|one of the steps between two floors
a cellar|a room under a house
an attic|a room right under the roof
a chimney|a pipe that leads smoke out of a house
a fence|a barrier around a garden or a field
a gate|a door in a fence or an outer wall
a balcony|a small platform on the outside of a house
a kitchen|a room where food is cooked
a bathroom|a room where people wash themselves
a bedroom|a room where people sleep
a forest|a large area with many trees
a meadow|a field with grass and flowers
a field|a piece of land where crops are grown
a jungle|a thick forest in a hot country
a desert|a very dry area with few plants
an island|a piece of land with water all around it
a peninsula|a piece of land with water on almost all sides
a continent|one of the large areas of land on Earth
a country|an area of land with its own government
a city|a large town
a village|a small group of houses in the countryside
a capital|the city where the government of a country sits
a mountain|a very high piece of land
a hill|a piece of land that is higher than the land around it
a valley|low land between hills or mountains
a canyon|a deep valley with steep sides
a cave|a hollow place in a rock or under the ground
a cliff|a high and steep wall of rock
a volcano|a mountain that can throw out hot melted rock
a glacier|a huge mass of ice that moves slowly
an iceberg|a big piece of ice that floats in the sea
a river|a long stream of water that flows to a sea or a lake
a stream|a small river
a lake|a large area of water with land all around it
a pond|a small area of still water
an ocean|a very large sea
a sea|a large area of salt water
a beach|a strip of sand or stones by the water
a coast|the land next to the sea
a waterfall|water that falls down over a cliff
a swamp|land that is soft and wet
an oasis|a place in the desert with water and plants
a reef|a row of rocks or corals near the top of the sea
a wave|a moving ridge of water
the tide|the rise and fall of the sea
sand|very small grains of stone
mud|wet and soft earth
soil|the top layer of earth where plants grow
a rock|a large piece of stone
dust|very fine dry dirt
a cloud|a mass of tiny drops of water in the sky
rain|water that falls in drops from the clouds
snow|frozen water that falls in white flakes
hail|small balls of ice that fall from the clouds
ice|frozen water
fog|a cloud close to the ground
dew|small drops of water that form on grass at night
frost|a thin white layer of ice
wind|air that moves
a storm|bad weather with strong wind
a thunderstorm|a storm with lightning
lightning|a bright flash of electricity in the sky
thunder|the loud noise that follows lightning
a hurricane|a very strong storm that forms over warm seas
a tornado|a spinning column of air that reaches the ground
a flood|a lot of water that covers dry land
a drought|a long time without rain
an earthquake|a sudden shaking of the ground
a rainbow|an arch of colors in the sky
the weather|what the air outside is like at a certain time
the climate|the usual weather of a place
a season|one of the four parts of the year
the sky|the space above us where we see clouds and stars
the sun|the star at the center of our solar system
the moon|the round body that goes around the Earth
a star|a huge ball of hot gas that shines in space
a planet|a large round body that goes around a star
a comet|a ball of ice and dust that grows a tail near the sun
a galaxy|a huge group of stars
a meteor|a piece of rock from space that glows in the air
an orbit|the path of one body around another in space
a satellite|a thing that goes around a planet
the universe|everything that there is in space
gravity|the force that pulls things toward each other
energy|what is needed to move, heat or light something
electricity|a form of energy that makes lamps and machines work
a magnet|a piece of metal that attracts iron
light|what lets our eyes see things
a shadow|a dark shape where something blocks the light
sound|what we hear when the air shakes
an echo|a sound that comes back from a wall or a mountain
heat|the energy that makes things warm
fire|the light and heat of something that burns
smoke|the grey cloud that rises from a fire
ash|the grey powder that is left after a fire
steam|the hot gas that rises from boiling water
air|the mix of gases that we breathe
oxygen|a gas that people and animals need to live
water|a clear liquid that all living things need
a liquid|something that flows like water
a gas|something that spreads out like air
a solid|something that keeps its own shape
an atom|one of the tiny parts that all things are made of
a cell|the smallest living part of a plant or an animal
a metal|a hard and shiny material such as iron
gold|a yellow metal that is worth a lot
silver|a shiny white metal
iron|a strong metal that rusts
coal|a black rock that can be burned
oil|a liquid fat or a dark liquid from the ground
glass|a hard and clear material made from sand
a diamond|a very hard and clear precious stone
a machine|a thing with moving parts that does work
a robot|a machine that can do jobs on its own
an engine|a machine that makes things move
a wheel|a round thing that turns and helps things to roll
a battery|a thing that stores electricity
a lamp|a thing that gives light
a camera|a device that takes pictures
a telephone|a device that lets people talk over long distances
the internet|a network that links computers all over the world
a clock|a device that shows the time
a calendar|a list of the days and months of a year
a map|a drawing that shows where places are
a flag|a piece of cloth that stands for a country or a group
a coin|a round piece of metal money
money|what people use to buy things
a price|the amount of money that something costs
a bank|a place that keeps and lends money
a gift|something that is given to someone for free
a letter|a written message that is sent to someone
an envelope|a paper cover for a letter
a stamp|a small piece of paper that shows that sending a letter is paid for
a newspaper|a set of printed sheets with the news of the day
a poem|a text in short lines that often rhyme
a story|a telling of things that happened or were made up
a fairy tale|an old story with magic in it
a fable|a short story that teaches a lesson
a novel|a long made-up story in a book
a diary|a book in which people write what happens each day
a dictionary|a book that explains words
an encyclopedia|a book with facts about many things
a recipe|a list of steps for cooking a dish
an author|a person who writes a book or a text
an alphabet|all the letters of a language in order
a word|a group of sounds or letters that means something
a sentence|a group of words that tells or asks something
a noun|a word for a person, a thing or an idea
a verb|a word for something that people or things do
an adjective|a word that tells what something is like
a vowel|one of the letters a, e, i, o and u
a synonym|a word that means the same as another word
a rhyme|words that end with the same sound
a language|the words that a group of people use to speak and write
a question|a sentence that asks for an answer
an answer|what someone says to a question
a number|a word or sign that tells how many
a sum|the result of adding numbers
a half|one of two equal parts
a circle|a shape that is perfectly round
a square|a shape with four equal sides and four right angles
a cube|a solid shape with six square sides
a sphere|a solid shape like a ball
a line|a long thin mark
a song|words that are sung with music
a melody|a row of notes that sound nice together
an orchestra|a large group of people who play music together
a choir|a group of people who sing together
an opera|a play in which most of the words are sung
a concert|a show where music is played
a painting|a picture made with paint
a statue|a figure of a person or an animal made of stone or metal
a ballet|a dance that tells a story to music
a circus|a show with clowns and acrobats
a film|a story told in moving pictures
a game|something that people play for fun
a toy|a thing that children play with
a doll|a toy that looks like a person
a kite|a toy that flies in the wind on a string
a balloon|a thin bag of rubber that is filled with air
a swing|a seat that hangs from ropes or chains
a puzzle|a game in which one has to find the answer
a riddle|a question that is hard to guess
a joke|a short story that makes people laugh
a party|a meeting of people who celebrate
a birthday|the day of the year on which someone was born
a wedding|a celebration where two people marry
a holiday|a day when people do not have to work
a king|a man who rules a country
a queen|a woman who rules a country or is married to a king
a prince|the son of a king or a queen
a princess|the daughter of a king or a queen
a president|the leader of a country without a king
a knight|a soldier on horseback in the Middle Ages
a pirate|a robber at sea
a thief|a person who steals
a hero|a person who does something very brave
a friend|a person whom one likes and trusts
a neighbor|a person who lives next door
a guest|a person who visits someone
a stranger|a person whom one does not know
a child|a young person
a baby|a very young child
an adult|a grown-up person
a twin|one of two children born at the same time to the same mother
a parent|a mother or a father
an orphan|a child whose parents are dead
a team|a group of people who work or play together
a crowd|a large group of people in one place
a law|a rule that everyone in a country has to follow
a vote|a choice that a person makes in an election
an election|a day on which people choose their leaders
a government|the group of people who lead a country
a war|a fight between countries or large groups
peace|a time without war
freedom|being able to do and say what one wants
a promise|words that say that one will surely do something
a secret|something that only a few people know
a lie|something that someone says although it is not true
the truth|what is really so
a mistake|something that one did wrong
an idea|a thought about what one could do
a dream|pictures and stories in the mind during sleep
a memory|something that one remembers
a plan|an idea of how to do something step by step
a habit|something that a person does again and again
luck|good things that happen by chance
danger|something that could hurt someone
courage|being able to do something although one is afraid
patience|being able to wait calmly
kindness|being friendly and helpful to others
honesty|telling the truth and not cheating
joy|a feeling of great happiness
fear|the feeling that one has in danger
anger|a strong feeling of being against someone or something
hope|the feeling that something good will happen
love|a very strong feeling of liking someone
health|how well the body and mind are
an illness|a state in which the body does not work well
medicine|something that helps sick people to get better
a germ|a very small living thing that can make people sick
a vaccine|a medicine that protects people from an illness
a bandage|a strip of cloth that covers a wound
a fever|a body temperature that is too high
pain|the bad feeling when something hurts
a wound|a place where the skin is cut or hurt
blood|the red liquid that flows through the body
a skeleton|all the bones of a body together
a muscle|a part of the body that makes it move
breakfast|the first meal of the day
lunch|the meal in the middle of the day
dinner|the main meal of the day
a dessert|a sweet dish at the end of a meal
a picnic|a meal that people eat outside on the grass
a snack|a small bit of food between meals
a meal|the food that people eat at one time
a spice|a part of a plant that gives food more taste
salt|small white crystals that make food taste better
an egg|a round thing with a shell that birds lay
milk|a white drink that comes from cows and other mammals
a seed|a small thing that a new plant grows from
a root|the part of a plant that is under the ground
a stem|the long part of a plant that holds the leaves and flowers
a leaf|a flat green part of a plant
a flower|the colorful part of a plant that makes seeds
a petal|one of the colored leaves of a flower
a branch|a part of a tree that grows out of its trunk
bark|the hard outer layer of a tree
a thorn|a sharp point on a plant
a bush|a plant with many branches close to the ground
a fruit|the part of a plant that holds the seeds
a berry|a small juicy fruit
a nut|a dry fruit with a hard shell
a vegetable|a plant or a part of a plant that people eat
grain|the seeds of plants such as wheat and rice
an animal|a living thing that can feel and move
a mammal|an animal that feeds its young with milk
a bird|an animal with feathers and wings
a fish|an animal that lives in water and breathes with gills
a reptile|an animal with dry scaly skin, such as a snake
an amphibian|an animal that lives both in water and on land, such as a frog
an insect|a small animal with six legs
a pet|an animal that people keep at home
a herd|a group of animals such as cows that live together
a flock|a group of birds or sheep
a pack|a group of wolves or dogs
a nest|a place that a bird builds for its eggs
a burrow|a hole in the ground where an animal lives
a hive|a home for bees
a web|a net of threads made by a spider
a feather|one of the light things that cover a bird
a wing|the part of a bird or a plane that lets it fly
a beak|the hard mouth of a bird
a tail|the long part at the back end of an animal
a paw|the foot of an animal with claws
a claw|a sharp nail on the foot of an animal
a horn|a hard point on the head of an animal
fur|the thick hair of an animal
a shell|a hard cover of an animal, an egg or a nut
a fin|a flat part that helps a fish to swim
a trunk|the long nose of an elephant or the main stem of a tree
a cub|a young bear, lion or fox
a dinosaur|a reptile of the kind that lived millions of years ago
a fossil|the remains of a plant or an animal in stone
a dragon|a creature in stories that looks like a big lizard and breathes fire
a unicorn|a creature in stories that looks like a horse with one horn
a ghost|the spirit of a dead person in stories
a fairy|a small creature in stories that can do magic
a giant|a very big person in stories
a witch|a woman in stories who can do magic
a wizard|a man in stories who can do magic
a mermaid|a creature in stories with the body of a woman and the tail of a fish
a treasure|a store of gold, jewels or other precious things
a crown|a ring of gold that a king or a queen wears on the head
a sword|a weapon with a long sharp blade
a shield|a plate that protects a fighter
a mask|a thing that covers the face
a costume|clothes that make someone look like another person
a pocket|a small bag that is sewn into clothes
a button|a small round thing that closes clothes
a zipper|two rows of teeth that close clothes or bags
a knot|a place where a rope or thread is tied
a thread|a very thin string for sewing
a box|a container with flat sides
a basket|a container made of thin woven branches
a bag|a soft container for carrying things
a bottle|a container with a narrow neck for liquids
a barrel|a large round container for liquids
a suitcase|a box with a handle for clothes on a trip
a tent|a shelter of cloth that can be carried along
a camp|a place where people live in tents
a journey|a long trip from one place to another
a map legend|a list that explains the signs on a map
a passport|a small book that people need to enter other countries
a ticket|a piece of paper that shows that one has paid
a tourist|a person who visits a place for pleasure
a passenger|a person who rides in a car, a train or a plane
a traffic light|a set of lights that tells cars when to stop and go
a crosswalk|a marked place where people can cross the street
an accident|something bad that happens by chance
an adventure|an exciting thing that someone lives through
a discovery|something that someone finds out for the first time
an invention|a new thing that someone thought of
an experiment|a test that is done to find something out
a telescope lens|a curved piece of glass that bends light
science|the study of how the world works
nature|everything in the world that was not made by people
pollution|dirt and poison in the air, the water or the soil
trash|things that people throw away
recycling|making new things out of old ones
the past|the time before now
the future|the time after now
a century|a time of one hundred years
a week|a time of seven days
midnight|twelve o'clock at night
noon|twelve o'clock in the day
dawn|the time when it gets light in the morning
dusk|the time when it gets dark in the evening
the horizon|the line where the sky and the land seem to meet
the equator|the line around the middle of the Earth
the North Pole|the northernmost point of the Earth"""

# verb | what it means
VERBS = """run|move fast on the legs
walk|move along on foot
jump|push oneself up into the air
crawl|move on hands and knees
climb|go up something with hands and feet
swim|move through water
fly|move through the air
dive|go head first into water
float|stay on top of water or in the air
sink|go down in water
sleep|rest with closed eyes
wake up|stop sleeping
dream|see pictures in the mind while asleep
eat|take food into the mouth and swallow it
drink|take liquid into the mouth and swallow it
chew|crush food with the teeth
swallow|make food go down the throat
taste|notice the flavor of something
smell|notice something with the nose
whisper|speak very quietly
shout|speak very loudly
sing|make music with the voice
laugh|make sounds of joy
smile|turn up the corners of the mouth
cry|let tears fall
talk|say words to someone
listen|try to hear something
look|turn the eyes toward something
stare|look at something for a long time
read|understand written words
write|put words on paper
draw|make a picture with a pencil
paint|put color on something
build|make something by putting parts together
repair|make a broken thing work again
break|make something fall into pieces
cut|divide something with a knife or scissors
fold|bend paper or cloth over itself
tie|fasten something with a string
sew|join cloth with needle and thread
knit|make clothes from yarn with long needles
cook|make food ready with heat
bake|cook something in an oven
boil|make water so hot that it bubbles
freeze|turn into ice
melt|turn from solid to liquid
burn|be on fire
shine|give off light
grow|become bigger
shrink|become smaller
plant|put seeds or young plants into the soil
harvest|gather ripe crops
dig|make a hole in the ground
throw|send something through the air with the hand
catch|take hold of something that moves
kick|hit something with the foot
push|move something away from oneself
pull|move something toward oneself
carry|hold something and take it along
lift|move something up
drop|let something fall
hide|go or put something where nobody can see it
search|try to find something
find|see something that one looked for
lose|no longer know where something is
borrow|take something and give it back later
lend|give something to someone for a while
share|let others have a part of something
give|hand something to someone
steal|take something that belongs to someone else
buy|get something for money
sell|give something away for money
pay|give money for something
save|keep something for later or free someone from danger
help|do something useful for someone
teach|show someone how to do something
learn|get to know something new
explain|make something clear
forget|no longer remember something
remember|keep something in the mind
guess|say what one thinks without being sure
know|be sure about something
understand|see what something means
choose|pick one thing out of several
decide|make up one's mind
try|see if one can do something
practice|do something again and again to get better
promise|say that one will surely do something
apologize|say that one is sorry
forgive|stop being angry at someone
thank|tell someone that one is glad about something
greet|say hello to someone
invite|ask someone to come
visit|go to see a person or a place
celebrate|do something special on a happy day
wait|stay until something happens
hurry|do something quickly
arrive|come to a place
leave|go away from a place
travel|go from one place to another far away
explore|look around in an unknown place
hunt|try to catch wild animals
feed|give food to someone or to an animal
protect|keep someone or something safe
hug|put the arms around someone
wave|move the hand to say hello or goodbye
nod|move the head up and down to say yes
count|say numbers in order
add|put numbers together
compare|look at how things are alike or different
measure|find out how long, heavy or big something is
invent|think of something new that nobody had before
imagine|make a picture in the mind"""

# adjective | what it means
ADJECTIVES = """brave|ready to face danger
shy|afraid to talk to people one does not know
kind|friendly and helpful
polite|having good manners
rude|having bad manners
honest|telling the truth
lazy|not willing to work
busy|having a lot to do
clever|quick at understanding things
wise|knowing a lot about life
foolish|not thinking before acting
curious|wanting to know more
patient|able to wait calmly
generous|happy to give things to others
greedy|always wanting more
selfish|thinking only of oneself
jealous|unhappy because someone else has more
proud|pleased with what one has done
lonely|sad because one is alone
grateful|glad about what someone has done
furious|very angry
terrified|very much afraid
delighted|very pleased
exhausted|very tired
starving|very hungry
huge|very big
tiny|very small
enormous|extremely big
ancient|very old
modern|of the time now
freezing|very cold
boiling|so hot that it bubbles
damp|a little wet
dry|without water
slippery|so smooth or wet that one can easily fall
sticky|holding on to things that touch it
smooth|without bumps
rough|not smooth
sharp|able to cut well
blunt|not able to cut well
fragile|easy to break
sturdy|strong and not easy to break
heavy|hard to lift
hollow|empty inside
transparent|so clear that one can see through it
shallow|not deep
steep|rising very quickly
narrow|not wide
crooked|not straight
empty|with nothing inside
full|with no room for more
rare|not often found
common|found often
famous|known by many people
unknown|not known by anyone
precious|worth very much
cheap|costing little money
expensive|costing a lot of money
free|costing nothing
useful|helping one to do something
useless|of no help
dangerous|able to hurt someone
safe|free from danger
poisonous|able to make one sick or kill when eaten
delicious|tasting very good
sour|tasting like a lemon
salty|tasting of salt
bitter|having a strong taste like black coffee
ripe|ready to be eaten
rotten|old and gone bad
fresh|newly made or picked
raw|not cooked
loud|making a lot of noise
silent|making no sound
bright|full of light
dark|with little or no light
invisible|not able to be seen
colorful|having many colors
wild|living free in nature
tame|not wild and used to people
extinct|no longer living anywhere on Earth
nocturnal|awake and active at night
blind|not able to see
deaf|not able to hear
healthy|well and not sick
ill|not well
identical|exactly the same
different|not the same
opposite|as different as possible
simple|easy to understand
difficult|hard to do
impossible|not able to be done
certain|without any doubt
annual|happening once a year
daily|happening every day
early|before the usual time
late|after the usual time
sudden|happening quickly and without warning
local|belonging to the place nearby
foreign|from another country
royal|belonging to a king or a queen
magnetic|able to attract iron
electric|working with electricity
wooden|made of wood
spicy|tasting hot in the mouth"""
