"""Words for the small worlds: names, characters, things, places, deeds, and what is true of them."""

GIRLS = """Lily Mia Sue Zoe Lucy Anna Emma Nora Ruby Ella Clara Rosa Ida Maya Nina Tara Leila Amina Hana Yuki Greta Freya Sofia Elsa Ivy Daisy Molly Poppy
Alice Jane Kate Julia Laura Olga Vera Wendy Betty Penny Hazel Iris June Pearl Stella Tilda Willa Fiona Gina Holly Kira Lena Mara Nell Polly Rita Sara Tess Una Zara Lola Bella""".split()
BOYS = """Tom Max Ben Sam Tim Leo Jack Finn Noah Oscar Hugo Emil Karl Otto Paul Peter Adam Omar Ali Kofi Ravi Kenji Marco Luca Diego Felix Jonas Anton Simon David
Daniel Henry George Oliver Toby Rob Nick Will Fred Alfie Bruno Carlos Dan Eddie Frank Gus Harry Ivan Jim Ken Louis Milo Ned Owen Pip Ralph Sid Ted Victor Walter""".split()
FAMILY = """mother she|father he|grandmother she|grandfather he|aunt she|uncle he|big sister she|big brother he"""
CHILDREN = """girl she|boy he|little girl she|little boy he|princess she|prince he|schoolgirl she|schoolboy he"""
GROWN = """farmer baker sailor gardener tailor painter teacher fisher clockmaker miller shepherd postman cook king queen carpenter potter beekeeper librarian shoemaker"""
ANIMALS = {
    "forest": "fox squirrel hedgehog owl deer badger bear mouse rabbit wolf mole woodpecker",
    "farm": "lamb pony donkey piglet duckling goat calf hen sheepdog goose rooster",
    "water": "frog otter turtle duck beaver swan crab seal penguin toad",
    "warm": "elephant lion monkey giraffe zebra parrot tiger camel hippo crocodile",
    "garden": "cat kitten puppy sparrow snail beetle ladybug robin hamster canary",
    "magic": "dragon unicorn robot elf giant dwarf fairy snowman ghost wizard",
}
HOMES = {
    "forest": "in a hollow tree|at the edge of the forest|deep in the green forest|under the roots of an old oak|in a cosy den between the pine trees|near a clearing full of flowers|in the woods behind the hill|not far from a quiet forest lake",
    "farm": "on a small farm|in a warm barn|on a farm near the river|in a stable with a red roof|on a green meadow|on a farm at the foot of the hills|behind a white fence",
    "water": "beside a clear pond|by the sea|near a wide river|on a small island|by a lake with blue water|at the bend of a stream|between the reeds",
    "warm": "in a hot, sunny land|near a water hole|in the tall grass|at the edge of the jungle|by a slow brown river|under a wide, warm sky",
    "garden": "in a garden full of roses|in a small yellow house|behind the garden shed|in a busy street|in the yard of a bakery|next to a flower shop|in an old house with a big garden",
    "magic": "on top of a high mountain|in a tall stone tower|in a cave behind a waterfall|in a land of snow and ice|in a castle by the sea|at the end of a long valley|on a cloud above the town",
    "people": "in a small village|in a little house near the river|in a big city|on a hill above the sea|in a quiet town|in a house with a blue door|at the end of a long street|next to the old church|in a wooden house by the lake|in a flat above the bakery|near the railway station|on the edge of a large wood|in a harbor town|in a cottage in the mountains|beside a windmill",
}
TRAITS = """kind brave lonely curious clever sleepy cheerful shy gentle lively quiet friendly careful honest funny patient busy merry proud polite playful thoughtful
lazy stubborn helpful dreamy bold calm messy tidy noisy tiny young generous wise impatient silly grumpy happy nervous hopeful loyal modest nosy plucky restless sensible serious
sporty strong sweet tender timid tough warm-hearted wild witty good-natured forgetful adventurous bright hard-working""".split()
HARD = """key ball bell kite drum whistle lantern cup spoon bucket marble button coin ring compass boat train car doll top box flute trumpet mirror bottle basket umbrella
bicycle scooter sled wagon puzzle pencil paintbrush notebook book map clock watch lamp jug teapot bowl plate ladder spade rake broom hammer wheel chair stool
candle comb telescope magnet necklace bracelet medal feather stone shell crown wand flag guitar violin yo-yo pinwheel chest suitcase wheelbarrow balloon paddle bench tray vase jar whisk""".split()
SOFT = """scarf hat coat blanket pillow glove sock sweater cap ribbon apron shirt dress backpack teddy cushion purse jacket slipper handkerchief mitten rug hammock tent towel curtain""".split()
HARD_LOOKS = (
    "red blue green yellow golden silver wooden little old new shiny tiny round white black striped brown orange pretty painted".split()
)
SOFT_LOOKS = "red blue green yellow purple warm soft woolly striped old new white pink orange pretty little gray spotted".split()
PLACES = """at the market|in the park|in the forest|at the beach|by the river|at the old mill|in the garden|on the hill|near the bridge|in the meadow|at the harbor|in the library
at the playground|in the orchard|by the lake|in the village square|behind the barn|at the train station|in the museum|near the lighthouse|in the bakery|at the school|in the field|by the well
at the fair|in the valley|near the waterfall|in the cave|on the island|in the attic|in the cellar|in the kitchen|at the bus stop|in the churchyard|on the farm|at the zoo|by the pond
in the greenhouse|at the swimming pool|in the toy shop|in the bookshop|at the post office|by the fountain|in the tower|on the old bridge|in the vineyard|at the edge of the wood|in the snowy field|near the stone wall|by the campfire
in the theater|at the town hall|in the castle|on the pier|in the courtyard|in the stable|near the windmill|on the sports field|in the maze|under the big oak|in the clearing|by the stream|on the sand dunes|in the tea room
at the crossroads|in the flower shop|on the main street|at the skating rink|in the tunnel|on the rocky shore|in the barn|in the workshop|in the tree house|in the canyon|near the hospital|at the airport|in the cornfield|in the reeds|on the mountain path|in the gym|in the classroom"""
OUTDOORS = """in the park|in the forest|at the beach|by the river|near the old mill|in the garden|on the hill|near the bridge|in the meadow|at the harbor|at the playground|in the orchard|by the lake|in the village square|behind the barn|near the lighthouse|in the field|by the well|in the valley|near the waterfall|on the island|on the farm|by the pond|in the vineyard|at the edge of the wood|near the stone wall|in the courtyard|near the windmill|on the sports field|under the big oak|in the clearing|by the stream|at the crossroads|near the castle|on the mountain path|behind the school|near the village|on the other side of the hill"""
SPOTS = """under an old bench|behind a bush|between two stones|on top of a wall|inside a hollow log|under a pile of leaves|behind the flower pots|in the tall grass|next to the fence|beside a puddle|on a low branch|in an empty bird's nest
under a wooden cart|behind a barrel|at the bottom of a basket|in a big flower pot|under the steps|behind an open door|near a rabbit hole|between the roots of a tree|under a blue chair|on a window sill|behind a stack of hay|inside an old boot"""
FEARS = """the dark|thunder|deep water|high places|loud noises|big dogs|the long tunnel|the old cellar|spiders|strangers|the shadows at night|the creaking stairs"""
SKILLS = """ride a bike|swim|whistle|play the flute|skate|bake bread|read|tie a knot|juggle|paint|row a boat|dance|climb a rope|knit|fly a kite|write letters|sing|count to a hundred|ski|play chess"""
PLANTS = (
    """sunflower|rose bush|apple tree|pumpkin|tomato plant|bean|strawberry plant|tulip|cherry tree|oak|lemon tree|daisy|carrot|pea plant"""
)
FOODS = """bread|soup|cheese|honey|apples|berries|nuts|pancakes|cookies|plums|pears|carrots|noodles|rice|cherries|corn|jam|muffins|grapes|biscuits"""
CAKES = """apple pie|chocolate cake|cherry cake|carrot cake|honey cake|plum tart|lemon cake|nut bread|berry pie|cheese pie|pumpkin pie|banana cake"""
HELPERS = """old owl she|wise old man he|friendly old woman she|gray goose she|white horse he|old tortoise he|tall policeman he|kind nurse she|big brown bear he|clever raven he|little wren she|old sailor he|shepherd he|kind neighbor she|baker he|stork she|old dog he|gardener she|lighthouse keeper he|quiet mole he"""
BEASTS = """bird with blue and golden feathers|cat with green stripes|tiny horse with silver hooves|fish with long whiskers|furry animal with six legs|lizard with purple spots|white deer with shining eyes|round animal with very big ears|butterfly as large as a plate|dog with curly yellow fur|turtle with flowers on its shell|small dragon with soft wings"""
SAD = "sad worried unhappy upset gloomy troubled glum miserable disappointed".split()
GLAD = "happy glad proud cheerful delighted joyful thankful merry relieved".split()
HOBBIES = """sing songs|climb hills|collect shells|dance|look at the stars|tell jokes|listen to old stories|run through the grass|pick flowers|play in the rain|count the clouds|build little houses|jump over puddles|sleep in the sun|watch the birds|eat berries|play hide-and-seek|explore new paths|swim in cold water|make music|draw pictures in the sand|help other people|roll down hills|chase butterflies|walk by the water|make new friends|solve riddles|look for treasure|sit by the fire|plant flowers|bake cakes|paint pictures|play with marbles|listen to the wind|fish|read|play the drum|whistle|make people laugh|drink hot cocoa"""
DEEDS = """read a book|draw a picture|bake a cake|water the plants|feed the cat|wash the dishes|sweep the floor|play the piano|build a tower|write a letter|peel potatoes|set the table|fold the laundry|fix a bike|knit a scarf|paint a fence|pick apples|fly a kite|play cards|clean the window
cook soup|make tea|drink coffee|eat a sandwich|look at photos|talk on the phone|listen to the radio|do a puzzle|sing a song|dance|sew a button|polish the shoes|cut the grass|rake the leaves|dig a hole|plant a tree|carry a basket|push a cart|ride a bike|walk the dog|brush the horse|collect stones|count coins|throw a ball|jump rope|climb a tree
sleep on the sofa|sit by the window|look for the keys|hang up the washing|slice bread|pour juice|stir the soup|roll the dough|wrap a present|decorate the room|hang a picture|mend a net|repair a chair|chop wood|light a candle|close the shutters|open a parcel|buy stamps|sell flowers|choose a book|ask for help|do homework|learn a poem|practice the violin|play chess|watch the ducks|feed the hens|milk the cow|build a sandcastle|swim|catch a fish|row a boat
take a photo|draw a map|tell a story|tell a joke|blow bubbles|make a paper boat|comb the dog|tidy the shelf|pack a suitcase|wait for the bus|eat an ice cream|try on a hat|paint a wall|cut out stars|glue a model plane|plant beans|write a list|search for a pencil|bounce a ball|skate|mop the floor|make the bed|wash the car|study a map|play a game|whistle a tune"""
IRREGULAR = """read read|draw drew|feed fed|sweep swept|build built|write wrote|set set|fly flew|make made|drink drank|eat ate|do did|sing sang|sew sewed|cut cut|dig dug|ride rode|throw threw|swing swung|sleep slept|sit sat|hang hung|mend mended|light lit|buy bought|sell sold|choose chose|learn learned|swim swam|catch caught|take took|tell told|blow blew|run ran|go went|give gave|find found|get got|see saw|think thought|put put|say said|come came|bring brought|leave left|keep kept|hold held|win won|fall fell|break broke|grow grew|hear heard|speak spoke|stand stood|begin began|knit knitted|teach taught|meet met|have had|be was|pay paid|know knew|wear wore|let let"""

# name | look | home | food | what it can do
ANIMAL_FACTS = """fox|red-brown fur and a bushy tail|in forests and fields|mice, berries and insects|hear a mouse under the snow
elephant|gray skin, big ears and a long trunk|in warm grassland and forests|grass, leaves and fruit|lift a heavy log with its trunk
frog|smooth green skin and long back legs|near ponds and streams|flies and worms|jump very far
owl|soft feathers and large round eyes|in forests and old barns|mice and small birds|turn its head almost all the way around
hedgehog|a pointed nose and many spines on its back|in gardens and hedges|beetles, worms and snails|roll itself into a ball
cat|soft fur, whiskers and sharp claws|in houses and on farms|meat, fish and mice|land on its feet
dog|fur, a wet nose and a tail that wags|with people|meat and dog food|follow a smell for a long way
horse|a long mane, strong legs and hooves|in stables and on meadows|grass, hay and oats|run fast and carry a rider
cow|a large body, a long tail and often horns|on farms|grass and hay|give many liters of milk a day
sheep|thick, curly wool|on meadows and hills|grass and herbs|stay warm in cold weather
duck|webbed feet and a flat beak|on ponds and rivers|water plants and insects|swim, walk and fly
penguin|black and white feathers and short wings|in the cold south|fish|swim very well, but it cannot fly
bee|two pairs of wings and yellow and brown stripes|in a hive|nectar and pollen|make honey and wax
butterfly|large, colorful wings|in gardens and meadows|the sweet juice of flowers|taste with its feet
snail|a soft body and a shell on its back|in damp gardens and woods|leaves and plants|hide in its shell
squirrel|reddish or gray fur and a bushy tail|in trees|nuts, seeds and fruit|jump from branch to branch
rabbit|long ears and a short white tail|in holes under the ground|grass, herbs and carrots|dig long tunnels
bear|thick fur and strong paws|in forests and mountains|berries, fish and honey|sleep through most of the winter
lion|golden fur and, if it is male, a mane|in dry grassland|meat|roar so loudly that others hear it far away
giraffe|a very long neck and brown spots|in grassland with trees|leaves from high branches|reach the tops of tall trees
camel|one or two humps and long legs|in deserts|dry grass and thorny plants|go for many days without water
whale|a huge smooth body and a strong tail|in the sea|small sea animals and fish|hold its breath for a long time
dolphin|smooth gray skin and a long snout|in the sea|fish and squid|leap high out of the water
shark|a pointed fin and many teeth|in the sea|fish and other sea animals|smell food from far away
turtle|a hard shell and short legs|on land or in water|plants and small animals|live for a very long time
snake|a long body with scales and no legs|in forests, fields and deserts|mice, frogs and eggs|move without making a sound
spider|eight legs and a round body|in gardens and houses|flies and other insects|spin a web of fine threads
ant|six legs and a thin waist|in large nests|seeds, insects and sweet things|carry things heavier than itself
wolf|gray fur, a long snout and sharp teeth|in forests and mountains|deer and other animals|howl to call its family
mouse|small round ears and a long thin tail|in holes, fields and houses|grain, seeds and cheese|slip through very small holes
goat|horns and a small beard|in mountains and on farms|grass, leaves and herbs|climb steep rocks
pig|a round body, a flat nose and a curly tail|on farms|corn, roots and vegetables|find food in the ground with its nose
hen|feathers, wings and a red comb|on farms|grain, grass and worms|lay an egg nearly every day
swan|white feathers and a long neck|on lakes and rivers|water plants|fly far with its strong wings
parrot|bright feathers and a curved beak|in warm forests|fruit, nuts and seeds|copy words and sounds
monkey|long arms and clever hands|in warm forests|fruit, leaves and insects|swing from tree to tree
bat|thin wings and large ears|in caves and attics|insects or fruit|find its way in the dark by sound
otter|thick brown fur and a flat tail|by rivers and the sea|fish and crabs|swim on its back
beaver|big front teeth and a broad, flat tail|by rivers and lakes|bark, twigs and leaves|cut down trees and build dams
kangaroo|strong back legs and a long tail|in Australia|grass and leaves|jump very far and carry its young in a pouch"""
# thing | look | use | where
THING_FACTS = """umbrella|has a long handle and a round roof of cloth|stay dry in the rain|in the hall
bicycle|has two wheels, two pedals and a handlebar|ride to school, to work or just for fun|in a shed or on the street
clock|has a round face, numbers and two or three hands|know what time it is|on the wall
lamp|has a bulb and often a shade|have light when it is dark|on a desk or next to a bed
spoon|has a handle and a small round bowl|eat soup and stir tea|in a kitchen drawer
fork|has a handle and three or four points|pick up food|on the table next to the plate
knife|has a handle and a sharp blade|cut bread, fruit and vegetables|in the kitchen
teapot|has a handle, a lid and a spout|make and pour tea|in the kitchen
ladder|has two long sides and many rungs|reach high places|in a garage or a barn
mirror|is made of smooth glass|see ourselves|in the bathroom
scarf|is long and made of wool or cotton|keep our neck warm|in the wardrobe
backpack|has two straps and several pockets|carry books, food and clothes|on the back of a schoolchild
pencil|is a thin stick of wood with a gray core|write and draw|on a desk or in a pencil case
book|has a cover and many pages|read stories and learn new things|on a shelf or in a library
key|is small and made of metal|open and close locks|on a hook or in a pocket
broom|has a long handle and many bristles|sweep the floor|in the corner of the kitchen
candle|is made of wax and has a wick|have a warm, soft light|on the table or on a birthday cake
chair|has a seat, a back and usually four legs|sit|around the table
table|has a flat top and usually four legs|eat, write and work|in the kitchen or the dining room
bed|has a frame, a mattress, a pillow and a blanket|sleep|in the bedroom
window|is made of glass in a frame|let light and fresh air into a room|in the wall of nearly every house
kite|is made of thin cloth or paper and has a long string|play in the wind|in the sky on a windy day
drum|is round and hollow with a skin on top|beat a rhythm|in a music room
guitar|has a wooden body and six strings|play songs|in a music shop
telescope|is a long tube with lenses inside|look at the moon and the stars|in an observatory or on a balcony
compass|has a needle that points to the north|find our way|in the bag of a hiker
bucket|is round and open at the top and has a handle|carry water or sand|in the shed or on the beach
hammer|has a handle and a heavy metal head|drive nails into wood|in a toolbox
needle|is thin and pointed and has a small hole|sew clothes|in a sewing box
pillow|is soft and filled with feathers or foam|rest our head|on the bed
fridge|is a tall box with a door and is cold inside|keep food fresh|in the kitchen
oven|is a hot box with a door|bake bread and cakes|in the kitchen
soap|is smooth and smells good|wash our hands|next to the sink
towel|is soft and made of cotton|dry our hands and body|in the bathroom
train|has a locomotive and many cars|travel long distances on rails|at a station
boat|floats on the water and may have a sail, oars or a motor|cross a lake or a river|in the harbor
bridge|is long and strong and reaches from one side to the other|cross a river or a road|over a river
wheel|is round and turns around its middle|move heavy things easily|on cars, bikes and carts
map|shows roads, rivers and towns as lines and colors|find the way to a place|in the car or in a backpack
bell|is made of metal and rings when it is struck|call people or tell the time|in a church tower or at a door
basket|is woven from thin branches or straw|carry fruit, bread and flowers|at the market
balloon|is made of thin rubber and filled with air|decorate a party|at a birthday party
coat|has long sleeves and buttons or a zipper|stay warm in cold weather|on a hook by the door
snowman|is made of two or three big balls of snow and often has a carrot nose|have fun in the snow|in a garden in winter
camera|has a lens and a button|take photos|around the neck of a traveler"""
# place | what is there | sound or smell | what people do
PLACE_FACTS = """beach|soft sand, colorful shells and long waves|the sea|build sandcastles and swim
forest|tall trees, green moss and narrow paths|birds and rustling leaves|walk and look for mushrooms
market|fruit, vegetables, cheese and flowers|the voices of the sellers|buy fresh food and meet their neighbors
library|long shelves full of books and quiet reading corners|pages that are being turned|read, study and borrow books
farm|barns, animals and wide fields|cows, hens and tractors|grow food and look after animals
school|classrooms, a yard and many children|laughter and the bell|learn to read, write and count
harbor|ships, ropes, cranes and seagulls|water against the boats|load ships and sell fish
park|benches, lawns, old trees and a pond|children at play|walk, rest and play
bakery|bread, rolls, cakes and a hot oven|the bell above the door|buy fresh bread in the morning
train station|platforms, tracks, clocks and hurrying people|trains and loudspeakers|arrive, leave and wait
garden|flowers, vegetables, bees and a watering can|bees and sparrows|plant seeds and pull weeds
kitchen|a stove, a sink, pots and pans|bubbling soup|cook, eat and talk
mountain|steep paths, rocks, cold streams and sometimes snow|the wind|climb and enjoy the view
desert|sand, stones and only a few plants|almost nothing but the wind|travel with camels or cars
museum|old pictures, statues and glass cases|quiet steps|look at beautiful and old things
hospital|beds, doctors, nurses and long halls|soft voices|get well again
zoo|animals from all over the world|lions, monkeys and parrots|watch the animals and learn about them
swimming pool|clear blue water, a slide and wet tiles|splashing water|swim, dive and play
playground|swings, a slide and a sandbox|shouts and laughter|climb, swing and run
village|small houses, gardens and a church|hens and church bells|live quietly and know one another
city|tall houses, shops, buses and bright lights|cars and many people|work, shop and go to the theater
river|clear water, stones, reeds and fish|flowing water|fish, row and swim"""
JOB_FACTS = """baker|gets up very early and bakes bread, rolls and cakes|an oven, flour and a rolling pin|in a bakery
farmer|grows plants and looks after animals|a tractor, a plow and a fork|on a farm
teacher|helps children to learn|books, chalk and a board|in a school
doctor|helps sick people to get well|a thermometer and medicine|in a hospital
carpenter|makes doors, tables and chairs out of wood|a saw, a hammer and nails|in a workshop
tailor|sews shirts, coats and dresses|a needle, thread and scissors|in a small shop
postman|brings letters and parcels to people|a bag and a bicycle or a van|on the streets of the town
gardener|plants flowers and takes care of trees|a spade, a rake and a watering can|in parks and gardens
cook|prepares meals for many people|pots, pans and sharp knives|in a kitchen
firefighter|puts out fires and saves people|a hose, a ladder and a helmet|at a fire station
librarian|lends books and helps people to find them|a computer and a card for each reader|in a library
pilot|flies planes from one city to another|many buttons and a headset|in the cockpit of a plane
fisher|catches fish and sells them|a boat and nets|on the sea or on a lake
painter|paints pictures or walls|brushes, paint and a ladder|in a studio or in houses
barber|cuts hair and trims beards|scissors, a comb and a mirror|in a barber shop
vet|helps sick animals|bandages and medicine|in an animal clinic
bus driver|drives people through the city|a big steering wheel and mirrors|in a bus
nurse|looks after sick people day and night|bandages and clean sheets|in a hospital"""
SEASON_FACTS = """spring|March, April and May|the days grow longer, the snow melts and the first flowers open|plant seeds and ride bikes|birds build their nests
summer|June, July and August|the days are long and warm|swim, eat ice cream and sleep in tents|bees fly from flower to flower
autumn|September, October and November|the leaves turn red and yellow and the wind blows hard|fly kites and pick apples|squirrels hide nuts
winter|December, January and February|the days are short and cold and sometimes it snows|build snowmen and drink hot cocoa|many animals sleep"""
HOWTO = """make a cup of tea|boil some water;put a tea bag into a cup;pour the hot water over it;wait for three minutes;take the tea bag out;add a little sugar or milk if you like
make a sandwich|take two slices of bread;spread some butter on them;put cheese and a slice of tomato on one slice;lay the other slice on top;cut the sandwich in half
brush your teeth|put a little toothpaste on the brush;brush the outside of your teeth;brush the inside and the top as well;spit out the foam;rinse your mouth with water
plant a seed|fill a pot with soil;make a small hole with your finger;drop the seed into the hole;cover it with soil;water it gently;put the pot in a sunny place
wash your hands|turn on the tap;wet your hands;rub them with soap for twenty seconds;rinse off the soap;dry your hands with a clean towel
boil an egg|put water into a small pot;bring the water to a boil;lower the egg in with a spoon;wait for about seven minutes;cool the egg under cold water
make a paper boat|take a sheet of paper;fold it in half;fold two corners to the middle;fold up the edges at the bottom;pull the sides apart carefully
build a snowman|roll a big ball of snow;roll a smaller ball and set it on top;make a small ball for the head;add stones for the eyes and a carrot for the nose;put a hat on the head
bake bread|mix flour, water, salt and yeast;knead the dough for ten minutes;let it rest in a warm place;shape a loaf;bake it in a hot oven until it is brown
make pancakes|mix flour, milk and eggs;heat a little butter in a pan;pour some batter into the pan;turn the pancake when it is golden;serve it with jam
clean your room|pick up the toys;put dirty clothes into the laundry basket;make the bed;dust the shelf;sweep the floor
pack for a trip|make a list;choose clothes for the weather;fold the clothes neatly;put your toothbrush in a small bag;place everything in the suitcase;close it and check the list again
get ready for school|get up on time;wash your face;get dressed;eat breakfast;pack your bag;put on your shoes and go
set the table|wipe the table;put a plate at each place;lay the fork on the left and the knife on the right;add a glass for everyone;fold the napkins
wash a car|fill a bucket with warm water and soap;rinse off the dirt;wash the car with a sponge;rinse off the soap;dry it with a soft cloth
feed a cat|take a clean bowl;put some cat food into it;fill another bowl with water;call the cat;wash the bowl after the meal
write a letter|take paper and a pen;write the date at the top;begin with a greeting;tell your news;end with your name;put the letter into an envelope and add a stamp
make a fruit salad|wash the fruit;peel the banana and the orange;cut everything into small pieces;mix it in a bowl;add a little lemon juice
have a picnic|pick a sunny day;pack bread, fruit and something to drink;take a blanket;find a quiet place in the shade;eat, rest and play;take the trash home
wrap a present|put the present on the paper;cut the paper to the right size;fold the paper over the present;fix it with tape;tie a ribbon around it
go shopping|look into the fridge;write a list;take a bag and some money;find the things on the list;pay at the counter;carry everything home
learn a poem|read the poem aloud;learn the first two lines;say them without looking;add the next lines;repeat the whole poem before you go to sleep
cross the street|stop at the curb;look left and right;wait until no car is coming;walk straight across;keep looking until you are on the other side
make vegetable soup|wash and cut the vegetables;heat some oil in a pot;fry an onion;add the vegetables and water;let the soup cook for half an hour;add salt and pepper
make a birthday card|fold a sheet of thick paper;draw a picture on the front;write a kind wish inside;sign it with your name;put it into a nice envelope
water the plants|fill the watering can;feel the soil with your finger;give water to the dry plants;pour slowly;wipe up any drops
make lemonade|squeeze three lemons;pour the juice into a jug;add cold water;stir in some sugar;put in ice and a leaf of mint
wash the dishes|scrape off the leftovers;fill the sink with hot water;add a little soap;wash the glasses first and the pans last;rinse everything;let it dry
fall asleep|turn off all screens;drink a little warm milk;lie down in a dark room;breathe slowly;think of something nice
make a new friend|smile and say hello;tell your name;ask what the other child likes;play or talk together;meet again another day
paint a picture|choose what you want to paint;get paper, brushes and paint;draw thin lines with a pencil;paint the large areas first;add the small details;let it dry
look after a dog|give it food and fresh water;walk with it three times a day;brush its fur;play with it;take it to the vet when it is sick"""
MAKING = """Bread|grows first as wheat in the field. The farmer cuts the wheat, and the miller grinds the grain into flour. The baker mixes the flour with water, salt and yeast. In the oven, the dough turns into bread
Paper|begins as wood. Trees are cut and chopped into tiny pieces. The pieces are cooked with water until they become a soft mash. The mash is pressed flat and dried, and at last it is paper
Wool|comes from sheep. In spring the farmer cuts it off. It is washed, combed and spun into long threads. People knit the threads into sweaters and socks
Cheese|is made from milk. The milk is warmed until it becomes thick. The thick part is pressed into a shape. Then it rests in a cool room for weeks or even months
Honey|is made by bees. They fly from flower to flower and collect sweet juice. In the hive they turn it into honey and store it in small cells of wax. The beekeeper takes some of it and puts it into jars
Glass|is made from sand. The sand is melted in a very hot oven. While it is soft, it can be blown or pressed into a shape. When it cools, it becomes hard and clear
A candle|is made from wax. The wax is melted in a pot. A thread is dipped into it again and again until the candle is thick. Then it hangs until it is cold and hard
Butter|is made from cream. The cream is beaten for a long time. Little yellow lumps appear in it. They are pressed together, and the butter is ready
Chocolate|starts as a bean. Cocoa beans grow in big fruits on trees in warm countries. They are dried, roasted and ground. With sugar and milk they become sweet chocolate
A clay pot|begins as wet earth. The potter puts a lump of clay on a wheel and shapes it with both hands. It dries for some days. Then it is baked in a very hot oven"""
IDEAS = """a rainy day|read a book;bake cookies;play a board game;build a tent out of blankets;draw a comic;write a letter to a friend;watch a film;listen to music and dance;do a puzzle;clean your desk
a birthday present|a good book;a warm scarf;a board game;a plant in a pretty pot;a homemade cake;a photo in a frame;a box of paints;tickets for the zoo
a birthday party|have a treasure hunt;play musical chairs;decorate cupcakes;make paper crowns;tell riddles;dance in the garden;blow up colorful balloons
breakfast|oatmeal with berries;toast with honey;yogurt with fruit;scrambled eggs;a cheese sandwich;pancakes with apples;a banana and a glass of milk
a healthy snack|an apple;carrot sticks;a handful of nuts;plain yogurt;a slice of melon;some grapes;rye bread with cheese
dinner|vegetable soup;noodles with tomato sauce;baked potatoes with cheese;rice with chicken;a big salad with bread;an omelet;fish with peas
a day at the beach|build a sandcastle;collect shells;swim in the sea;fly a kite;play ball;read under an umbrella;look for crabs
a winter day|build a snowman;go sledding;drink hot cocoa;feed the birds;skate on the ice;make paper stars;knit a scarf
a summer day|go swimming;eat ice cream;have a picnic;sleep in a tent;ride a bike to the lake;water the garden;make lemonade
saving water|take short showers;turn off the tap while you brush your teeth;water plants with rain water;run the washing machine only when it is full;fix a dripping tap
helping at home|set the table;wash the dishes;take out the trash;fold the laundry;feed the pets;sweep the floor;water the plants
a weekend with the family|go for a hike;visit a museum;cook a meal together;play cards;visit grandparents;take a bike tour;look at old photos
cheering up a friend|listen to your friend;tell a funny joke;bring a flower;take a walk together;draw a happy picture;bake something sweet;give a hug
the name of a cat|Luna;Tiger;Minka;Snowball;Felix;Pepper;Ginger;Misty
the name of a dog|Rex;Buddy;Bella;Lucky;Sunny;Bruno;Daisy;Rocky
learning new words|read a little every day;write the words on cards;use each word in a sentence;sing songs;play word games;explain the words to a friend
a school project|make a map of your town;grow beans in a glass;build a model bridge;write about your favorite animal;measure the rain for a week;interview your grandparents
a story|a lost key that opens a secret door;a dog who learns to fly;a town where it never stops raining;two friends who find a map;a snowman who wants to see the summer;a robot who is afraid of the dark
going to sleep more easily|read a quiet book;drink warm milk;turn off the screen early;open the window for fresh air;go to bed at the same time every day;listen to soft music
a long car ride|sing songs;count red cars;play a guessing game;listen to an audio book;look out of the window;tell stories
a small garden|plant tomatoes in pots;grow herbs on the window sill;put up a bird house;sow wildflowers for the bees;plant strawberries in a basket
staying healthy|sleep enough;eat fruit and vegetables;drink plenty of water;move every day;wash your hands;laugh often
a picnic|cheese sandwiches;cold lemonade;a bowl of cherries;boiled eggs;potato salad;apple cake;grapes
a hobby|play the guitar;paint;learn to cook;collect stamps;go running;take photos;learn a new language;knit
being kind|hold the door open;say thank you;share your snack;help a neighbor;write a nice note;let someone else go first
a class trip|visit a farm;go to the zoo;see an old castle;hike to a lake;visit a bakery;go to a science museum"""
COMPARE = """a cup|is small, has a handle and is used for hot drinks|a glass|has no handle and is mostly used for cold drinks
a cat|likes to be alone now and then and cleans itself|a dog|likes company and needs walks every day
a bicycle|has two wheels and moves when you pedal|a car|has four wheels and moves with a motor
a lake|has still water with land all around it|a river|has water that flows from one place to another
the sun|shines during the day and gives us warmth|the moon|is seen mostly at night and gives only a pale light
summer|is warm and has long days|winter|is cold and has short days
a pen|writes with ink that is hard to remove|a pencil|writes with a gray core and can be erased
a fork|has points for picking up food|a spoon|has a small bowl for soup and other soft food
a frog|has smooth, wet skin and long legs for jumping|a toad|has dry, bumpy skin and mostly walks
a train|runs on rails|a bus|drives on the road
a house|usually has one or two families in it|an apartment building|has many flats for many families
an apple|has one thin skin that you can eat|an orange|has a thick peel that you take off
milk|comes from cows and other animals|juice|comes from fruit
a hill|is low and easy to climb|a mountain|is high and often steep
rain|falls as drops of water|snow|falls as white flakes when it is cold
a butterfly|mostly flies by day and has bright wings|a moth|mostly flies at night and often has brown or gray wings
a shirt|is thin and worn on the skin|a coat|is thick and worn over other clothes
a library|lends books for a time|a bookshop|sells books to keep
breakfast|is eaten in the morning|dinner|is eaten in the evening
a village|is small and quiet|a city|is large and busy
a violin|is small and held under the chin|a cello|is large and stands on the floor between the knees
a horse|is larger and has short ears|a donkey|is smaller and has long ears
a chair|is made for one person|a bench|has room for several people
a letter|is written on paper and takes days to arrive|an email|is written on a screen and arrives in seconds
butter|is made from milk|oil|is pressed from plants such as olives
a clock|hangs on a wall or stands on a shelf|a watch|is worn on the wrist
a boot|covers the foot and part of the leg|a sandal|leaves most of the foot open
a candle|gives light by burning|a lamp|gives light with electricity
tea|is made from leaves|coffee|is made from roasted beans
a fish|breathes under water|a whale|must come up for air
a crab|has a hard shell and ten legs|a snail|has a shell, but no legs at all
a forest|is full of trees|a meadow|is full of grass and flowers
a broom|sweeps dirt away|a vacuum cleaner|sucks dirt up
a door|is for going in and out|a window|is for light and air
a friend|is someone you know well|a stranger|is someone you do not know
a ship|is large and crosses the sea|a boat|is small and stays closer to the shore
walking|is slow and quiet|running|is fast and makes you tired sooner
a tree|has one thick trunk of wood|a bush|has many thin stems and is lower
wool|comes from sheep and keeps us warm|cotton|comes from a plant and feels light
a question|asks for something|an answer|tells what was asked"""
# topic = couplets, two lines each
POEMS = """the sun=The sun climbs up into the [blue|light],/and all the fields are [fresh and new|warm and bright].~Good morning, sun, so round and high,/you paint with gold the morning sky.~The sun looks in and says to me,/"Come out and climb the apple tree."~When evening comes, the sun goes down/behind the roofs of our small town.
the rain=The rain falls softly on the ground/and makes a quiet, friendly sound.~Drip and drop, the whole day long,/the rain is singing me a song.~I put my rubber boots on fast/and jump in puddles till the last.~The clouds are dark, the street is wet,/but I have not gone home just yet.
a cat=My little cat has fur of gray,/she [sleeps and dreams|sits and purrs] for half the day.~She licks her paw, she lifts her head,/and then she climbs into my bed.~A little cat upon the mat/has found herself a woolly hat.~She chases shadows on the wall/and rolls about with her red ball.
a dog=My dog runs quickly to the gate,/he wags his tail, he cannot wait.~He digs a hole, he finds a bone,/and proudly carries it back home.~We run together through the park/until the sky is almost dark.~He gives his paw, he licks my hand,/the best of dogs in all the land.
the sea=The waves roll in, the waves roll out,/the seagulls fly and scream about.~I found a shell upon the shore/and listened to the ocean roar.~A little boat with sails of white/sails far away into the night.~The sea is wide, the sea is deep,/at night it sings the fish to sleep.
the moon=The moon looks in at me tonight,/and fills my room with silver light.~The moon is round, the moon is high,/a lamp that hangs up in the sky.~Good night, good night, you friendly moon,/I know that morning will come soon.~The moon walks slowly past the hill,/and all the world is calm and still.
the night=The stars come out, the day is done,/they twinkle softly one by one.~The owl is calling from the tree,/and no one is awake but me.~The birds are quiet in the nest,/now close your eyes and take a rest.~The night is dark, the night is deep,/the tired town is fast asleep.
spring=The snow is gone, the grass is green,/the first small flowers can be seen.~A robin sings upon the wall:/"The spring is here for one and all!"~The bees are humming round the tree,/as glad and busy as can be.~The days grow long, the air is mild,/and out of doors runs every child.
summer=The summer sun is warm and bright,/and it stays light till late at night.~We run down to the lake to swim,/I race with Tom and wait for him.~The ice cream melts, the berries grow,/the river water is warm and slow.~We lie on grass so soft and high/and watch the white clouds floating by.
autumn=The leaves are turning red and brown,/and one by one they tumble down.~I take my kite up to the hill,/it will not stay a moment still.~The apples shine upon the tree,/and some of them are there for me.~The wind is wild, the wind is strong,/it hums a windy autumn song.
winter=The snow falls down on roof and tree,/it falls on you, it falls on me.~We build a snowman, round and tall,/and put his hat on, last of all.~The lake is frozen, hard as stone,/we skate until it's time for home.~A cup of cocoa, warm and sweet,/a woolly blanket for my feet.
a friend=A friend is someone kind and true/who likes to laugh and play with you.~We share our bread, we share our toys,/we sing aloud and make some noise.~And when I'm sad and want to cry,/my friend will ask the reason why.~We walk to school, we walk back home,/with such a friend I'm not alone.
a tree=The tree is old, the tree is tall,/a home for birds, both big and small.~I climb up to the highest place/and feel the wind upon my face.~It gives us shade on summer days/and stands there calmly while one plays.~The squirrel hides beneath the tree/a little store of nuts, you see.
a bird=A little bird with yellow wing/sits on my window sill to sing.~It builds a nest of straw and hay,/and brings a little more each day.~It spreads its wings and flies up high,/a tiny dot against the sky.~I give it crumbs, I give it bread,/it looks at me and nods its head.
a mouse=There was a mouse, so small and neat,/who danced about on tiny feet.~A little mouse, a little house,/a piece of cheese to please a mouse.~She heard the cat and off she ran/and hid behind a frying pan.~At night she nibbles on the cheese,/she eats as quietly as she please.
school=I take my bag, I tie my shoe,/there's so much to discover, too.~We learn to read, we learn to write,/we learn the day, we learn the night.~The bell rings loud, we run outside/and play the whole break on the slide.~I count to ten, I count to three,/my teacher smiles and nods at me.
a train=The train goes rattling down the track,/it goes away and it comes back.~The wheels go round, the whistle blows,/through fields and tunnels on it goes.~I wave my hand, I see a cow,/we cross a silver river now.~The train runs on from town to town,/and past my window trees fly down.
a garden=I plant a seed, I wait and see,/what will my little seedling be?~A bean, a pea, a pumpkin, too,/a flower red, a flower blue.~The snail comes slowly down the wall,/it does not hurry, not at all.~The watering can is in my hand,/I water all my bit of land.
a frog=A small green frog sits by the pond,/of shiny flies he's very fond.~He jumps up high, he jumps down low,/and every jump is quite a show.~"Croak, croak," he sings the whole night long,/and thinks it is a lovely song.~He dives into the water deep,/and there he falls at last asleep.
bedtime=My teddy bear is in my bed,/I lay the pillow under my head.~The day was long, the day was good,/we did all things that children could.~My mother reads, I hold her hand,/she reads about a far-off land.~The lamp is out, the house is still,/the moon is shining on the hill.
a cake=We mix the butter, mix the flour,/the cake must bake for half an hour.~A spoon of sugar, one egg or two,/a piece for me, a piece for you.~It smells so good, it's nice and hot,/I think that I could eat the lot.~Put cherries on it, in a ring,/then light the candles, and we sing.
the wind=The wind runs quickly down the street/and lifts the leaves around my feet.~It took my hat, it took my kite,/it blew and whistled half the night.~Where do you come from, wind so wild?/"From far away, my little child."~It shakes the door, it shakes the tree,/and then it laughs and runs from me."""
