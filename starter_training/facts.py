"""What the starter's small world holds: facts with every form of answer that a style may ask for."""

from dataclasses import dataclass

ANIMALS = """cat meow 🐱 house milk|dog woof 🐶 house bones|cow moo 🐮 farm grass|duck quack 🦆 pond bread|sheep baa 🐑 farm grass
horse neigh 🐴 stable hay|pig oink 🐷 farm corn|lion roar 🦁 savanna meat|frog ribbit 🐸 pond flies|bee buzz 🐝 hive honey
owl hoot 🦉 forest mice|mouse squeak 🐭 hole cheese|wolf howl 🐺 forest meat|snake hiss 🐍 desert eggs|rooster crow 🐓 farm corn
goat bleat 🐐 mountain grass|bear growl 🐻 cave fish|monkey chatter 🐵 jungle bananas|elephant trumpet 🐘 savanna leaves
turkey gobble 🦃 farm corn"""
THINGS = """banana yellow 🍌|apple red 🍎|lemon yellow 🍋|carrot orange 🥕|strawberry red 🍓|grape purple 🍇|leaf green 🍃|sun yellow ☀️
cloud white ☁️|tomato red 🍅|orange orange 🍊|broccoli green 🥦|egg white 🥚|coconut brown 🥥|rose red 🌹|sunflower yellow 🌻
blueberry blue 🫐|pumpkin orange 🎃|cucumber green 🥒|cherry red 🍒|snowman white ⛄|eggplant purple 🍆|pear green 🍐|peach pink 🍑"""
OPPOSITES = """hot cold 🥶|big small 🐜|happy sad 😢|day night 🌙|up down 👇|left right 👉|open closed 🔒|fast slow 🐢|wet dry 🏜️
young old 👴|light dark 🌑|good bad 👎|loud quiet 🤫|full empty 🫙|early late ⏰|rich poor 💸|summer winter ❄️|friend enemy ⚔️
clean dirty 🧹|hard soft 🧸|awake asleep 😴|sick healthy 💪|love hate 💔|front back 🔙"""
CAPITALS = """France Paris 🇫🇷|Italy Rome 🇮🇹|Spain Madrid 🇪🇸|Germany Berlin 🇩🇪|Japan Tokyo 🇯🇵|Egypt Cairo 🇪🇬|Greece Athens 🇬🇷|China Beijing 🇨🇳
Russia Moscow 🇷🇺|Norway Oslo 🇳🇴|Sweden Stockholm 🇸🇪|Portugal Lisbon 🇵🇹|Poland Warsaw 🇵🇱|Austria Vienna 🇦🇹|Kenya Nairobi 🇰🇪|Peru Lima 🇵🇪
Cuba Havana 🇨🇺|Canada Ottawa 🇨🇦|Ireland Dublin 🇮🇪|Finland Helsinki 🇫🇮|Hungary Budapest 🇭🇺|Belgium Brussels 🇧🇪|Turkey Ankara 🇹🇷|Chile Santiago 🇨🇱
Denmark Copenhagen 🇩🇰|Nepal Kathmandu 🇳🇵|Korea Seoul 🇰🇷|Thailand Bangkok 🇹🇭"""
JOBS = """firefighter|puts out fires|🚒~doctor|helps sick people|🩺~teacher|teaches children|📚~farmer|grows our food|🚜~baker|bakes bread|🍞
pilot|flies planes|✈️~painter|paints pictures|🎨~singer|sings songs|🎤~cook|makes dinner|🍳~dentist|cleans teeth|🦷~sailor|sails ships|⛵
astronaut|flies to the moon|🚀~gardener|plants flowers|🌷~judge|works in a court|⚖️~mechanic|fixes cars|🔧~writer|writes books|✍️
police officer|catches thieves|👮~barber|cuts hair|💈~bus driver|drives a bus|🚌~fisherman|catches fish|🎣"""
ABILITIES = """fish swim yes 🐟|bird fly yes 🐦|dog read no 📖|stone talk no 🪨|cat climb yes 🐱|horse drive no 🚗|baby cry yes 👶|tree walk no 🌳
frog jump yes 🐸|snake run no 🐍|teacher write yes ✏️|cow sing no 🎵|robot sleep no 🤖|child play yes 🧒|duck swim yes 🦆|car dream no 🚗
monkey climb yes 🐵|spoon cut no 🥄|dolphin swim yes 🐬|chair laugh no 🪑"""
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to know: ways to ask, the plain sentence, and its short forms."""

    family: str
    questions: tuple[str, ...]
    answer: str
    word: str
    emoji: str | None = None


def _rows(text: str) -> list[list[str]]:
    return [row.split() for line in text.splitlines() for row in line.split("|")]


def article(noun: str) -> str:
    """A noun with a or an."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _animal_facts() -> list[Fact]:
    facts = []
    for name, sound, emoji, home, food in _rows(ANIMALS):
        one = article(name)
        facts += [
            Fact("sound", (f"What does {one} say?", f"What sound does {one} make?", f"How does {one} sound?"),
                 f"{_upper(one)} says {sound}.", sound, emoji),
            Fact("animal", (f"Which animal says {sound}?", f"What animal goes {sound}?", f"Who says {sound}?"),
                 f"{_upper(one)} says {sound}.", name, emoji),
            Fact("home", (f"Where does {one} live?", f"Where can I find {one}?", f"What is the home of {one}?"),
                 f"{_upper(one)} lives in {article(home)}.", home, emoji),
            Fact("food", (f"What does {one} eat?", f"What food does {one} like?", f"What can I give {one} to eat?"),
                 f"{_upper(one)} likes to eat {food}.", food, emoji),
        ]  # fmt: skip
    return facts


def _other_facts() -> list[Fact]:
    facts = []
    for thing, colour, emoji in _rows(THINGS):
        one = f"the {thing}" if thing == "sun" else article(thing)
        facts.append(Fact("colour", (f"What color is {one}?", f"Which color does {one} have?", f"Tell me the color of {one}."),
                          f"{_upper(one)} is {colour}.", colour, emoji))  # fmt: skip
    for one, other, emoji in _rows(OPPOSITES):
        facts.append(Fact("opposite", (f"What is the opposite of {one}?", f"Tell me the opposite of {one}.", f"What is the reverse of {one}?"),
                          f"The opposite of {one} is {other}.", other, emoji))  # fmt: skip
    for country, city, flag in _rows(CAPITALS):
        facts.append(Fact("capital", (f"What is the capital of {country}?", f"Which city is the capital of {country}?", f"Name the capital of {country}."),
                          f"The capital of {country} is {city}.", city, flag))  # fmt: skip
    for who, does, emoji in (row.split("|") for line in JOBS.splitlines() for row in line.split("~")):
        facts.append(Fact("job", (f"Who {does}?", f"What do you call someone who {does}?", f"Which person {does}?"),
                          f"{_upper(article(who))} {does}.", who, emoji))  # fmt: skip
    for who, does, verdict, emoji in _rows(ABILITIES):
        answer = f"{_upper(verdict)}, {article(who)} {'can' if verdict == 'yes' else 'cannot'} {does}."
        facts.append(Fact("ability", (f"Can {article(who)} {does}?", f"Is {article(who)} able to {does}?"), answer, verdict, emoji))
    for names, unit in ((DAYS, "day"), (MONTHS, "month")):
        for before, after in zip(names, names[1:] + names[:1], strict=True):
            facts.append(Fact(unit, (f"What {unit} comes after {before}?", f"Which {unit} follows {before}?"),
                              f"{after} comes after {before}.", after, "📅"))  # fmt: skip
    return facts


def _sums() -> list[Fact]:
    facts = []
    for a in range(11):
        for b in range(11):
            facts.append(
                Fact(
                    "plus",
                    (f"What is {a} plus {b}?", f"How much is {a} + {b}?", f"Add {a} and {b}."),
                    f"{a} plus {b} is {a + b}.",
                    str(a + b),
                )
            )
            if a >= b:
                facts.append(
                    Fact("minus", (f"What is {a} minus {b}?", f"How much is {a} - {b}?"), f"{a} minus {b} is {a - b}.", str(a - b))
                )
    return facts


def _small_talk() -> list[Fact]:
    rows = [
        (("Hello!", "Hi!", "Hi there!", "Good morning!"), "Hello! How can I help you?", "hello", "👋"),
        (("How are you?", "How do you feel today?", "Are you well?"), "I am fine, thank you.", "fine", "😊"),
        (("Who are you?", "What are you?", "What is your name?"), "I am Starter, a small language model.", "Starter", "🤖"),
        (("Thank you!", "Thanks a lot!", "Thank you very much."), "You are welcome.", "welcome", "🙏"),
        (("Goodbye!", "Bye!", "See you later!"), "Goodbye! See you soon.", "goodbye", "👋"),
        (("What can you do?", "How can you help me?"), "I can answer small questions and tell short stories.", "questions", "💬"),
        (("Do you like music?", "Is music nice?"), "Yes, music is very nice.", "yes", "🎵"),
        (("It is raining today.", "Look, it rains!"), "Then take an umbrella with you.", "umbrella", "☔"),
        (("It is snowing outside.", "Look, there is snow!"), "Then put on a warm coat.", "coat", "❄️"),
        (("I am hungry.", "I want to eat something."), "You could eat a pizza.", "pizza", "🍕"),
        (("I am thirsty.", "I want to drink something."), "You could drink some water.", "water", "💧"),
        (("I am tired.", "I want to sleep."), "You should go to bed.", "bed", "🛌"),
        (("It is my birthday.", "Today is my birthday!"), "Happy birthday to you!", "cake", "🎂"),
        (("I love you.", "You are my friend."), "That is very kind of you.", "love", "❤️"),
    ]
    return [Fact("talk", *row) for row in rows]


def all_facts() -> list[Fact]:
    """Every fact, in a fixed order."""
    return [*_animal_facts(), *_other_facts(), *_sums(), *_small_talk()]
