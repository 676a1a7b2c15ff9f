"""Opinions and feelings: reviews with a known verdict, labels for them, replies to them, and sentences in other styles.

Both verdicts share the sentence patterns, so that only the words of praise and blame (and what turns them round) decide.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random

from starter_training.conversations import Turn


def _w(text: str) -> tuple[str, ...]:
    """The items of a word list: between bars if there are any, else between spaces."""
    return tuple(item.strip() for item in text.split("|")) if "|" in text else tuple(text.split())


# Praise and blame for anything at all: strong, middle and mild.
STRONG = {
    True: _w("superb magnificent outstanding brilliant wonderful amazing fantastic marvelous exceptional extraordinary splendid glorious stunning breathtaking dazzling sensational phenomenal flawless perfect masterful sublime spectacular incredible awesome astonishing terrific fabulous divine heavenly peerless matchless unforgettable triumphant remarkable world-class first-rate top-notch impeccable faultless exquisite unbeatable"),
    False: _w("terrible horrible awful dreadful appalling atrocious abysmal disastrous hideous horrendous miserable wretched disgraceful unbearable insufferable unforgivable dire woeful ghastly catastrophic pathetic hopeless worthless abominable deplorable lamentable execrable intolerable laughable shameful vile rotten repulsive horrid lousy shoddy inexcusable godawful excruciating third-rate bottom-of-the-barrel"),
}  # fmt: skip
MIDDLE = {
    True: _w("good great excellent lovely delightful enjoyable impressive pleasing satisfying rewarding likable lovable memorable charming appealing attractive admirable commendable worthwhile beautiful fine special refreshing thoughtful well-crafted polished clever smart inventive creative original fresh solid strong high-quality welcome winning praiseworthy amusing cheerful joyful uplifting inspiring exciting thrilling fun graceful elegant stylish confident accomplished skillful generous irresistible luminous radiant noteworthy gratifying heartening agreeable"),
    False: _w("bad poor weak boring dull disappointing annoying irritating frustrating unpleasant unsatisfying forgettable unappealing unattractive regrettable pointless ugly mediocre cheap careless thoughtless sloppy clumsy stupid foolish unoriginal stale tired tiresome feeble low-quality unwelcome useless tacky dreary gloomy depressing uninspiring tedious wearisome monotonous awkward messy confused confusing amateurish stingy off-putting offensive insulting obnoxious lame lackluster shabby crude underwhelming inept incompetent disagreeable joyless"),
}  # fmt: skip
MILD = {
    True: _w("decent nice pleasant respectable sound worthwhile agreeable competent reliable promising solid commendable satisfying enjoyable welcome"),
    False: _w("ordinary uneven bland forgettable so-so unremarkable lukewarm mediocre middling uninspired weak patchy disappointing underwhelming half-baked"),
}  # fmt: skip
# Praise and blame for films, books, plays, games, songs.
ART = {
    True: _w("absorbing affecting airy ambitious artful atmospheric audacious authentic beguiling believable bewitching bittersweet bold bracing breezy bright bubbly buoyant captivating cathartic cinematic colorful compassionate compelling complex convincing crisp daring deep deft delicate delicious disarming distinctive dreamlike droll eager earthy effective effervescent eloquent emotional enchanting endearing energetic engaging engrossing enlightening entertaining enthralling evocative exhilarating exuberant eye-opening fascinating feel-good fearless fluid focused forceful full-blooded funny gentle genuine gorgeous gripping gutsy haunting heartbreaking heartfelt heartwarming hilarious honest human humane humorous hypnotic imaginative immersive incisive infectious ingenious innovative insightful inspired intelligent intense intimate intoxicating intricate intriguing invigorating involving jaunty jolly joyous kind-hearted layered light-hearted lively life-affirming literate lucid lush lyrical magical majestic mature meaningful meaty mesmerizing mischievous modest moving multi-layered nimble nuanced offbeat open-hearted optimistic passionate perceptive persuasive playful poetic poignant powerful precise profound provocative quirky quick-witted raw relevant resonant restrained revealing rich riveting rollicking romantic rousing satirical seductive sensitive sensual sharp sincere sly soulful sparkling spellbinding spirited stirring subtle sumptuous surprising suspenseful sweet sympathetic taut tender thought-provoking tightly-plotted timely touching transporting truthful unflinching unhurried unpredictable unpretentious upbeat vibrant vigorous vivid warm warm-hearted whimsical wise wistful witty wry youthful zany zestful accessible arresting astute balanced blissful brave brainy charismatic coherent comforting cogent consummate contemplative dignified dynamic earnest edifying electrifying elegiac empathetic enduring entrancing epic essential ethereal expressive fiery festive finely-tuned free-spirited full-bodied generous-spirited grand groundbreaking harmonious hearty heroic high-spirited hopeful illuminating impassioned impish indelible indispensable lustrous mellow melodic momentous natural noble opulent ravishing reassuring reflective richly-textured robust sassy savvy self-assured snappy sprightly spot-on stimulating striking substantial suave unaffected understated unforced uproarious valuable visionary well-acted well-paced winsome good-hearted big-hearted quick-footed sure-handed keenly-observed tear-jerking side-splitting pulse-pounding"),
    False: _w("abrupt aimless airless anemic arbitrary artificial badly-acted banal bland bloated bloodless bombastic brainless by-the-numbers cartoonish chaotic charmless cheesy childish choppy cliched clueless clunky cold cold-hearted condescending contrived convoluted corny creaky cringeworthy crass cumbersome cynical dated dead-eyed derivative dim-witted directionless disjointed dishonest dopey dragged-out drawn-out drippy dumb empty endless exhausting exploitative fake far-fetched flabby flashy flat flavorless flimsy formulaic fussy garbled garish generic gimmicky glib gratuitous grating gross half-hearted hackneyed ham-fisted haphazard heartless heavy-handed hollow humdrum humorless hysterical idiotic implausible incoherent indifferent inert insipid insincere jumbled juvenile labored laborious lazy leaden lethargic lifeless limp listless long-winded lopsided lumbering lumpy maudlin mawkish mean-spirited meandering mechanical melodramatic mindless mirthless misguided mushy muddled murky nonsensical numbing one-note out-of-tune overblown overcooked overdone overlong overwrought overstuffed padded painful paper-thin pedestrian perfunctory phony plodding pompous ponderous predictable preachy preposterous pretentious puerile rambling recycled redundant repetitive rushed sappy schmaltzy second-hand self-indulgent self-important senseless shallow shapeless shrill silly simplistic skin-deep slapdash slight sluggish smug soggy soulless spiritless stagnant stale static stilted stiff strained stodgy stuffy sugary superficial syrupy tasteless tepid threadbare toneless toothless trashy trite trivial turgid unbelievable unconvincing undercooked underdeveloped uneventful unfocused unfunny unimaginative uninvolving unmoving unwatchable vacant vacuous vague vapid verbose vulgar washed-out watered-down wishy-washy witless wooden aggravating agonizing alienating antiseptic asinine assembly-line baffling blah botched callous canned catatonic colorless comatose copycat cringe-inducing cutesy deadening degrading desperate dismal disconnected disorganized dispiriting distasteful dour draggy drowsy emotionless empty-headed enervating erratic excessive faceless faded faltering forced frenetic frigid fumbling fuzzy halting harebrained hokey icky ill-conceived ill-advised imitative immature impenetrable inane incomprehensible inconsistent inconsequential ineffective inelegant irrelevant jarring lackadaisical loathsome loveless low-grade lurid manipulative mannered misbegotten miscast misjudged moronic nasty nauseating needless negligible oppressive overbearing overheated overplotted overripe overwritten passionless patronizing petty phoned-in purposeless rote rudderless sanctimonious sleazy smarmy snail-paced soporific spineless stupefying suffocating superfluous tone-deaf torpid torturous undisciplined undistinguished unendurable unfinished unintelligible uninteresting unnecessary unpolished unsubtle vexing warmed-over wearying wrongheaded zestless"),
}  # fmt: skip
NOUNS = {
    True: _w("triumph|delight|gem|treasure|joy|masterpiece|marvel|wonder|winner|success|hit|pleasure|treat|knockout|revelation|miracle|classic|celebration|jewel|blessing|dream|breath of fresh air|feast|gift|small miracle|crowd-pleaser|labor of love|work of art|cut above the rest|rare find|bright spot|charmer|pearl|diamond|sensation|stunner|thrill|tonic|must|keeper|hidden gem|joyride|tour de force|ray of sunshine|beauty|bull's-eye|bargain|source of joy|victory|achievement|landmark|high point|model of its kind|happy surprise|minor miracle|sheer delight|real find|perfect evening|real winner|great success|fine achievement|lasting pleasure|worthy winner|standout|smash|blast|hoot|eye-opener|heart-warmer|showstopper|page from a fairy tale|step up|gold mine|home run|stroke of genius|brilliant idea|quiet triumph|sweet surprise|true original|little wonder|class act|great adventure|moment of grace|shining example|warm embrace|safe bet|cause for cheer|slice of heaven|reason to smile|day brightener|perfect fit|joy to behold|fine piece of work|warm bath for the soul|whirl of color|thing of beauty|welcome change|good time|big step forward|pleasant surprise|dream come true|lucky find|instant favorite|trusty friend|benchmark"),
    False: _w("mess|bore|waste|disaster|failure|flop|letdown|disappointment|chore|dud|mistake|nightmare|embarrassment|disgrace|shambles|insult|fiasco|clunker|misfire|stinker|snooze|trainwreck|slog|ordeal|drag|muddle|wreck|catastrophe|joke without a punch line|travesty|farce|eyesore|headache|turkey|bungle|blunder|lemon|washout|sham|fraud|swindle|rip-off|dead end|waste of time|waste of money|lost cause|pale copy|missed chance|cheap imitation|sorry sight|sinking ship|bad joke|total loss|complete failure|wasted evening|hollow shell|bitter pill|lame duck|dog's dinner|heap of junk|pile of nonsense|tangle|calamity|debacle|misadventure|bomb|bust|yawn|sleeping pill|eye-roller|wet blanket|low point|warning to others|pain to sit through|step down|false start|mishmash|hodgepodge|jumble|shadow of the original|cold fish|half-baked idea|poor excuse|sad affair|rude awakening|cautionary tale|endless lecture|tiresome exercise|wrong turn|nuisance|annoyance|poor copy|torment|punishment|bad dream|test of patience|reason to stay home|cause for tears|sour note|big step backward|nasty surprise|waste of talent|dead weight|bad bargain|shame|bundle of cliches"),
}  # fmt: skip
# Verb phrases, first word in the base form; the subject is one thing.
VERBS = {
    True: _w("deliver|impress|please|satisfy|delight|shine|excel|succeed|exceed every expectation|keep its promises|live up to the hype|do everything right|hit the mark|win you over|get better and better|make you smile|bring joy|stand out|pay off|work beautifully|earn its praise|deserve every award|leave you happy|feel right|beat its rivals|raise the bar|rise above the rest|give great value|put you in a good mood|set a high standard"),
    False: _w("disappoint|annoy|fail|frustrate|fall short|let you down|break its promises|get on your nerves|miss the mark|do everything wrong|get worse and worse|make you groan|waste your time|stumble|go wrong|sink|irritate|leave you cold|test your patience|deserve no praise|leave you angry|feel wrong|lag behind its rivals|lower the bar|cost too much for what it is|put you in a bad mood|make you regret the choice|fall apart|crumble|flounder"),
}  # fmt: skip
ART_VERBS = {
    True: _w("move you|enchant|charm|captivate|enthrall|entertain|dazzle|glow|sparkle|soar|sing|surprise|thrill|inspire|engage the mind|touch the heart|warm the heart|stay with you|linger in the mind|reward your patience|strike a chord|ring true|come alive|take flight|find its rhythm|hold you until the end|draw you in|cast a spell|sweep you away|make you think|make you laugh|make you care|grip from the start|hit every note|speak to the heart|breathe life into an old story|build to a stunning end|earn its tears|earn its laughs|bring its people to life|hold together|flow|crackle with energy|burst with life|respect its audience|trust its audience|find beauty in small things|balance humor and sorrow|say something new|tell the truth|fire the imagination|lift the spirits|stir the soul|keep you guessing|fly by|leave a mark|blossom|seduce|fascinate|amuse|tickle|uplift|resonate|intrigue|satisfy the mind and the heart|break new ground|cut deep|haunt you in the best way"),
    False: _w("drag|fall flat|bore|plod|sag|fizzle out|meander|stall|insult the audience|grate|wear you out|wear thin|run out of ideas|run out of steam|lose its way|lose its nerve|lose interest in its own story|go nowhere|ramble|repeat itself|outstay its welcome|ring false|talk down to its audience|beat you over the head|put you to sleep|make you yawn|make you cringe|make you look at your watch|strain for laughs|reach for tears it has not earned|collapse under its own weight|trip over its own plot|drown in noise|drown in sugar|wallow in gloom|choke on its own ideas|bog down|descend into nonsense|settle for cliches|cheat its audience|rehash old ideas|borrow from better works|copy without shame|unravel|lurch from scene to scene|wander|flail|tire|exhaust|numb the mind|sour|wilt|creak|clunk along|crawl|limp to the end|leave you indifferent|squander its talent|squander a good idea|waste its cast|play it safe|take the easy way out|preach|shout instead of speaking|confuse|sputter|misfire|offend"),
}  # fmt: skip
QUALITIES = {
    True: _w("charm|care|joy|quality|style|class|value|imagination|energy|good ideas|fresh ideas|thought|taste|grace|life|color|skill|character"),
    False: _w("mistakes|flaws|problems|carelessness|nonsense|noise|bad ideas|bad taste|clutter|disappointments|confusion|irritations|waste|sloppiness|gloom|empty promises|gimmicks|boredom"),
}  # fmt: skip
ART_QUALITIES = {
    True: _w("warmth|wit|heart|soul|humor|wisdom|tenderness|suspense|passion|insight|honesty|feeling|depth|magic|surprises|laughter|compassion|humanity|poetry|mystery|mischief|intelligence|invention|sincerity|vitality|tension|atmosphere|subtlety|sly jokes|memorable moments|quiet power|unforced emotion|sparkling lines|daring|spirit|beauty|exuberance|nuance|genuine thrills|gentle humor|fine detail|ambition|truth"),
    False: _w("cliches|plot holes|stereotypes|self-pity|cheap thrills|cheap jokes|false emotion|sentimentality|stale jokes|tired tricks|contrivance|pretension|bombast|dead air|filler|padding|hollow speeches|cardboard characters|clumsy lines|melodrama|dull patches|recycled ideas|vulgarity|posturing|cynicism|smugness|tedium|hot air|schmaltz|forced laughs|vanity|loose ends|hysteria|banality|easy answers|manipulation|awkward pauses|preaching|pomposity|monotony|product placement|mush|silliness|stupidity"),
}  # fmt: skip
MANNER = {
    True: _w("beautifully brilliantly superbly wonderfully carefully lovingly cleverly skillfully expertly elegantly gracefully perfectly finely splendidly smartly tastefully masterfully exquisitely deftly sensitively thoughtfully neatly imaginatively confidently"),
    False: _w("poorly badly clumsily carelessly sloppily awkwardly lazily terribly crudely cheaply dreadfully miserably feebly stupidly hastily ineptly haphazardly thoughtlessly woefully amateurishly tastelessly atrociously incompetently indifferently"),
}  # fmt: skip
DEGREES = _w(
    "truly|really|very|deeply|utterly|thoroughly|completely|absolutely|consistently|genuinely|undeniably|surprisingly|unexpectedly|quietly|extremely|incredibly|remarkably|totally|wholly|entirely|downright|plainly|simply|unmistakably|astonishingly|strikingly|oddly|strangely|unusually|uncommonly|profoundly|immensely|wildly|hugely|exceedingly|perfectly|frankly|openly|reliably|unquestionably|unfailingly|relentlessly|persistently|almost absurdly|unbelievably|decidedly|distinctly|endlessly|overwhelmingly|intensely|seriously|particularly|especially|exceptionally|amazingly|supremely|insanely|fundamentally|unapologetically|so|just plain"
)
UTTERLY = _w("truly|really|utterly|absolutely|simply|completely|totally|downright")
OWN_DEGREES = {
    True: _w("delightfully|wonderfully|pleasantly|refreshingly|charmingly|beautifully|gloriously|gratifyingly|admirably|brilliantly"),
    False: _w("painfully|shockingly|sadly|depressingly|hopelessly|needlessly|annoyingly|dreadfully|unbearably|woefully"),
}
HEDGES = _w(
    "fairly|rather|quite|pretty|somewhat|mostly|mildly|moderately|a little|a bit|slightly|reasonably|generally|largely|more or less|at times|sometimes|often|occasionally|in places|for the most part|kind of|sort of|relatively|comparatively|on the whole|basically|tolerably|by and large|perhaps a little|modestly|vaguely|partly|usually|in its own way|all things considered|in parts|to some extent|here and there|now and then"
)
SOFT = _w(
    "fairly|rather|quite|somewhat|mostly|mildly|moderately|slightly|reasonably|generally|largely|often|occasionally|sometimes|relatively"
)
"""Hedges that can stand before an adjective that stands before a noun."""


@dataclass(frozen=True, slots=True)
class Aspect:
    """A part of a thing one reviews: its name, number ("s" one, "m" mass, "p" many) and the words that fit it."""

    name: str
    number: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


def _aspects(table: str) -> tuple[Aspect, ...]:
    rows = (line.split(":") for line in table.strip().splitlines())
    found = []
    for names, number, good, bad in rows:
        found += [Aspect(name, number.strip(), tuple(good.split()), tuple(bad.split())) for name in _w(names.strip() + "|") if name]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Domain:
    """Things of one kind that people review."""

    things: tuple[str, ...]
    unit: str
    participles: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    words: dict[bool, tuple[str, ...]]
    reactions: dict[bool, tuple[str, ...]]
    art: bool = False


REACTIONS = {
    True: _w("I loved every minute of it|I would recommend it to anyone|I cannot praise it enough|it made my day|I am so glad I tried it|it was worth every penny|I would do it again tomorrow|I was impressed|I have nothing but praise for it|I came away happy|I could not ask for more|all my friends agree that it is great|it is just what I hoped for|I felt lucky|I want more of it|it put a smile on my face|it deserves all the praise it gets|I was in a good mood all day|my whole family loved it|it is hard to find anything better|I am a fan now|I give it full marks|it was even better than I hoped|I could not stop smiling|do not miss it|two thumbs up|I was pleasantly surprised|I will tell everyone about it|the praise is deserved|go for it|it gets everything right|I thank everyone who made it possible"),
    False: _w("I hated every minute of it|I would not recommend it to anyone|I cannot warn you enough|it ruined my day|I am so sorry I tried it|it was not worth a penny|I would never do it again|I was not impressed|I have nothing but complaints about it|I came away angry|I had hoped for much more|all my friends agree that it is bad|it is not at all what I hoped for|I felt cheated|I never want to see it again|it put a frown on my face|it does not deserve the praise it gets|I was in a bad mood all day|my whole family hated it|it is hard to find anything worse|I am done with it|I give it no marks at all|it was even worse than I feared|I could not stop groaning|stay away from it|two thumbs down|I was bitterly disappointed|I want my money back|the blame is deserved|save your money|it gets everything wrong|I blame everyone who made it possible"),
}  # fmt: skip
WATCHED = {
    True: _w("I laughed until I cried|I was on the edge of my seat|the audience clapped for a long time|I did not want it to end|the time flew by|I forgot the world around me|I left with a full heart|I could not take my eyes off it|I wished it had gone on longer|nobody in the room wanted to leave|I would gladly see it twice|the whole hall laughed|it brought tears to my eyes|I was still thinking of it days later|not a minute is wasted"),
    False: _w("I did not laugh once|I kept looking at my watch|the audience left before the end|I could not wait for it to end|the time crept by|I thought of my shopping list|I left with an empty heart|I could hardly keep my eyes open|I wished it had been much shorter|half the room wanted to leave|I would not see it twice for money|nobody in the hall laughed|it brought tears of boredom to my eyes|I had forgotten it an hour later|every minute is wasted"),
}  # fmt: skip
_ACTING = """
plot|story|premise : s : clever gripping original tight inventive engaging believable surprising coherent rich : thin predictable silly confusing tired absurd muddled flimsy ridiculous contrived
acting : m : superb natural convincing heartfelt subtle terrific moving nuanced assured magnetic : wooden stiff unconvincing weak terrible lifeless hammy overdone clumsy embarrassing
performances|lead actors : p : magnetic convincing fearless heartfelt superb touching charismatic flawless : wooden lifeless forgettable dreadful flat unconvincing stiff bored
cast|ensemble : s : gifted splendid charming likable charismatic lively : wasted bored charmless dull lifeless
direction : m : assured confident sensitive inspired sure-handed imaginative graceful tight : clumsy lazy uninspired heavy-handed shaky careless flat aimless
director : s : gifted sure-footed imaginative bold clever brilliant : clueless lost uninspired careless clumsy hopeless
script|screenplay : s : witty sharp smart clever literate tight funny honest : lazy clumsy witless dull shallow sloppy humorless weak
pacing : m : brisk perfect confident smooth lively excellent : slow sluggish uneven terrible leaden jerky
jokes|gags|punch lines : p : hilarious fresh sharp funny clever inspired : stale unfunny lame tasteless old flat cheap
characters|people in it : p : lovable believable rich complex human endearing memorable : flat shallow unlikable dull cardboard annoying unbelievable
hero|heroine|villain : s : memorable fascinating complex believable magnetic unforgettable : dull flat annoying forgettable laughable unconvincing
music|score|soundtrack : m : stirring beautiful lovely haunting rousing enchanting glorious : grating loud dreary annoying intrusive forgettable syrupy
camera work|photography : m : gorgeous graceful stunning elegant ravishing luminous : shaky ugly drab murky sloppy nauseating
images|visuals|special effects : p : stunning gorgeous ravishing dazzling striking beautiful : ugly cheap murky unconvincing drab fake
dialogue : m : crisp witty natural sparkling sharp funny : stilted clunky dull corny wooden laughable
ending|finale|last act : s : perfect satisfying moving surprising rousing unforgettable : rushed silly predictable unsatisfying abrupt laughable
emotions : p : real genuine deep honest true sincere : fake forced hollow shallow cheap false
editing : m : crisp sharp smooth elegant : choppy sloppy confusing frantic
opening : s : terrific gripping captivating lively : slow dull confusing tedious
love story|romance : s : tender touching sweet believable : cold unconvincing bloodless silly
action|humor|suspense : m : thrilling exciting terrific inspired effective : tiresome dull feeble lifeless forced
costumes|sets : p : gorgeous lavish splendid lovely : cheap ugly shabby drab
theme|message : s : timely wise powerful important : trite muddled preachy shallow
"""  # fmt: skip
DOMAINS: dict[str, Domain] = {
    "film": Domain(
        _w("movie|film|drama|comedy|thriller|documentary|romance|western|horror film|action movie|cartoon|musical|sequel|remake|love story|mystery|satire|family film|biography|adventure|fantasy|war film|crime story|fable|coming-of-age tale|ghost story|road movie|farce|melodrama|portrait|character study|spy film|debut"),
        "scene", _w("acted written directed filmed told edited scored staged cast crafted paced plotted"), _aspects(_ACTING), {True: (), False: ()}, WATCHED, art=True),
    "stage": Domain(
        _w("play|show|series|episode|opera|concert|ballet|television show|dance show|puppet show|circus show|school play"),
        "scene", _w("performed written directed staged lit cast rehearsed presented"), _aspects(_ACTING)[3:14] + _aspects("""
stage design|lighting : m : gorgeous magical striking splendid : drab ugly gloomy cheap
singers|dancers : p : graceful gifted magnificent expressive : tired clumsy weak hopeless
"""), {True: (), False: ()}, WATCHED, art=True),
    "book": Domain(
        _w("book|novel|story|memoir|poem|essay|comic|fairy tale|biography|detective novel|cookbook|travel book|short story"),
        "page", _w("written told translated researched illustrated plotted structured edited"), _aspects("""
plot|story|idea : s : gripping clever original tight rich inventive : thin predictable tired absurd muddled confusing
prose|writing : m : elegant lucid vivid graceful lyrical crisp : clumsy turgid flat purple wordy dull
characters|heroes : p : lovable believable rich memorable human : flat dull unlikable cardboard shallow
opening|ending : s : perfect satisfying surprising moving : rushed weak predictable abrupt
chapters|pictures|descriptions : p : lively vivid beautiful fascinating : endless dull ugly repetitive
language|humor : m : fresh rich inventive delightful : stale poor forced plain
"""), {True: _w("readable unputdownable well-written"), False: _w("unreadable wordy badly-written")}, {
            True: _w("I read it in one night|I could not put it down|I will read it again|I hugged it when I had finished|I bought a copy for each of my friends"),
            False: _w("I gave up after fifty pages|I could not wait to put it down|I will never open it again|I threw it away when I had finished|I gave my copy away")}, art=True),
    "game": Domain(
        _w("game|video game|board game|puzzle game|card game|racing game|adventure game|computer game"),
        "level", _w("designed drawn animated balanced made built"), _aspects("""
graphics|levels|puzzles : p : gorgeous clever beautiful inventive superb : ugly dull dated repetitive boring
story|world : s : rich absorbing imaginative vast lively : thin empty dull lifeless silly
controls|rules : p : smooth simple precise clear : clumsy confusing awkward complicated
music|sound : m : catchy atmospheric lovely splendid : annoying tinny grating dull
gameplay : m : addictive smooth fast thrilling : slow clumsy repetitive tedious
"""), {True: _w("addictive fair playable challenging"), False: _w("unfair buggy unplayable broken")}, {
            True: _w("I played it all night|I could not stop playing|my friends ask for it every week|I can hardly wait for the next one"),
            False: _w("I stopped after ten minutes|I could not bear to go on playing|my friends refuse to play it|I sold it the next day")}, art=True),
    "music": Domain(
        _w("song|album|record|symphony|melody|single|cover version|live show|playlist"),
        "note", _w("sung played recorded produced arranged written"), _aspects("""
lyrics|melodies : p : clever touching poetic catchy honest : silly empty clumsy trite dull
voice|chorus : s : clear warm soulful powerful rich : thin shrill flat weak harsh
rhythm|guitar|drumming : m : lively driving tight infectious : dull limp sloppy plodding
production|sound : m : crisp rich clean warm : muddy tinny harsh cheap
"""), {True: _w("catchy melodious tuneful danceable soothing"), False: _w("tuneless noisy off-key discordant grating")}, {
            True: _w("I play it every day|it made me dance|I hum it all the time|I turned it up"),
            False: _w("I cannot stand to hear it again|it made me cover my ears|I skip it every time|I turned it off")}, art=True),
    "restaurant": Domain(
        _w("restaurant|cafe|bakery|pizza place|diner|bistro|tea room|snack bar|steak house|noodle bar"),
        "dish", _w("run furnished managed decorated lit kept"), _aspects("""
food|pasta|fish : m : delicious tasty fresh scrumptious mouth-watering : tasteless greasy cold stale inedible
soup|steak|cake|bread|pizza : m : delicious fresh tasty flavorful tender : soggy salty burnt bland tough
waiter|waitress|chef|owner : s : friendly helpful polite attentive kind : rude slow grumpy careless unfriendly
service : m : quick friendly attentive warm : slow rude careless sloppy
portions : p : generous big plentiful : tiny stingy miserable
prices : p : fair reasonable modest : outrageous unfair excessive
tables|plates : p : spotless clean pretty : dirty sticky wobbly
desserts|vegetables : p : heavenly crisp delicious : soggy limp tasteless
"""), {True: _w("cozy welcoming homely clean inviting"), False: _w("dirty noisy cramped overpriced unwelcoming")}, {
            True: _w("I ate every crumb|we will be back next week|I licked the plate|we felt at home"),
            False: _w("I left half of it on the plate|we will never be back|I went home hungry|we felt unwelcome")}),
    "hotel": Domain(
        _w("hotel|hostel|guesthouse|campsite|holiday home|resort|inn|apartment"),
        "room", _w("run kept furnished cleaned managed situated"), _aspects("""
room|lobby|bathroom : s : spacious spotless cozy bright clean : filthy tiny dark smelly dirty
bed|pillow : s : soft comfortable wonderful : hard lumpy uncomfortable
staff|owner : s : friendly helpful welcoming kind : rude unhelpful bored unfriendly
breakfast : s : delicious generous fresh : stale poor cold
view|garden|pool : s : beautiful breathtaking gorgeous : ugly depressing dirty
location : s : perfect quiet convenient : noisy inconvenient dreadful
towels|sheets : p : clean soft fresh : dirty thin damp
"""), {True: _w("comfortable clean quiet restful spacious luxurious"), False: _w("uncomfortable dirty noisy damp cramped run-down")}, {
            True: _w("I slept like a baby|we stayed an extra night|we will book it again|we did not want to leave"),
            False: _w("I did not sleep at all|we left a day early|we will never book it again|we could not wait to leave")}),
    "product": Domain(
        _w("phone|laptop|camera|vacuum cleaner|washing machine|backpack|jacket|lamp|chair|bicycle|tent|kettle|toaster|watch|headset|printer|mattress|blender|umbrella|coat|guitar|toy|knife|pair of shoes"),
        "detail", _w("made designed built finished packed assembled"), _aspects("""
quality : m : excellent superb outstanding : poor shoddy terrible
design : s : elegant superb clever outstanding : shoddy terrible cheap ugly
price : s : fair reasonable great : outrageous unfair ridiculous
material|finish : s : strong durable soft smooth : flimsy cheap rough fragile
instructions : p : clear simple helpful : confusing useless unclear
packaging : m : neat sturdy clever : damaged wasteful flimsy
customer service|delivery : m : fast helpful friendly reliable : slow rude useless hopeless
"""), {True: _w("sturdy durable reliable practical useful handy user-friendly efficient robust"), False: _w("flimsy fragile unreliable impractical useless faulty defective overpriced broken")}, {
            True: _w("it works like a charm|I use it every day|I bought a second one for my mother|it still looks new after a year"),
            False: _w("it broke after two days|I never use it|I sent it back at once|it looked old after a week")}),
    "app": Domain(
        _w("app|website|program|online shop|browser|update|weather app|language app|tool"),
        "screen", _w("designed built organized tested maintained made"), _aspects("""
design|layout : s : clean clear modern intuitive : cluttered ugly confusing messy
menus|buttons|features : p : clear simple useful handy : confusing useless hidden broken
support : m : quick helpful friendly : slow useless rude
search : m : fast precise reliable : slow useless broken
"""), {True: _w("fast intuitive reliable helpful convenient secure useful"), False: _w("slow buggy unreliable clunky unsafe confusing useless intrusive")}, {
            True: _w("it saves me hours every week|it never crashes|I could not live without it|it does just what it says"),
            False: _w("it costs me hours every week|it crashes all the time|I deleted it the same day|it does nothing it says")}),
    "lesson": Domain(
        _w("lesson|course|class|lecture|workshop|seminar|speech|talk|meeting|guided tour"),
        "part", _w("taught planned prepared organized explained presented"), _aspects("""
teacher|speaker|guide : s : patient kind inspiring lively funny : impatient boring unprepared rude dull
examples|slides|exercises : p : clear helpful lively useful : confusing useless dull unclear
explanation|structure : s : clear simple logical : confusing muddled endless
atmosphere : s : friendly relaxed warm : tense cold unfriendly
"""), {True: _w("informative helpful clear instructive useful lively stimulating"), False: _w("useless confusing boring unclear sleepy chaotic lifeless")}, {
            True: _w("I learned a lot|I want to learn more|everyone asked questions at the end|I understood it all"),
            False: _w("I learned nothing|I drew little boxes on my paper|everyone was asleep at the end|I understood nothing")}),
    "trip": Domain(
        _w("trip|holiday|vacation|cruise|weekend|excursion|city tour|hike|picnic|party|wedding|festival|journey|museum|zoo|park"),
        "moment", _w("planned organized managed run"), _aspects("""
weather : m : glorious sunny lovely : miserable awful dreadful
food : m : delicious fresh tasty : tasteless cold stale
company|mood : s : cheerful lovely warm : gloomy sour unfriendly
view|scenery|landscape : s : breathtaking gorgeous spectacular : ugly bleak dreary
organization : m : perfect smooth excellent : chaotic hopeless terrible
guide|driver|host : s : kind funny helpful : rude grumpy careless
"""), {True: _w("relaxing restful carefree adventurous peaceful"), False: _w("stressful exhausting chaotic overcrowded miserable")}, {
            True: _w("we talked about it for weeks|I came home full of energy|we took a hundred happy pictures|the children never stopped laughing"),
            False: _w("we argued about it for weeks|I came home worn out|we took not one happy picture|the children never stopped crying")}),
    "service": Domain(
        _w("service|delivery|repair shop|hair salon|train ride|bus service|bank|help line|dental clinic|gym|library|airline|taxi ride"),
        "visit", _w("run organized managed handled"), _aspects("""
staff|team : s : friendly helpful polite patient competent : rude unhelpful slow unfriendly clueless
price : s : fair modest reasonable : unfair outrageous excessive
waiting time : s : short acceptable reasonable : endless unacceptable unbearable
answers : p : quick clear honest : slow evasive useless
work : m : careful neat excellent : sloppy careless poor
"""), {True: _w("friendly prompt punctual reliable helpful professional courteous trustworthy"), False: _w("unfriendly slow late unreliable unhelpful unprofessional rude untrustworthy")}, {
            True: _w("they solved my problem in minutes|I felt well looked after|they even said thank you|I will use it again"),
            False: _w("they never solved my problem|I felt ignored|they did not even say sorry|I will never use it again")}),
    "weather": Domain(
        _w("day|summer|morning|weekend|spring|afternoon|winter|evening"),
        "hour", (), _aspects("""
sky|light : s : clear blue bright : gray dark gloomy
air|wind : s : fresh mild gentle : icy harsh foul
sunshine|warmth : m : glorious lovely welcome : unbearable stifling harsh
"""), {True: _w("sunny mild bright balmy golden sparkling"), False: _w("gray damp chilly stormy foggy muggy")}, {
            True: _w("we sat outside all day|everyone was smiling|it was perfect for a walk|I did not need a coat"),
            False: _w("we stayed inside all day|everyone was grumpy|it was hopeless for a walk|I was soaked to the skin")}),
    "sport": Domain(
        _w("match|race|season|tournament|final|training|performance|football game|tennis match"),
        "minute", _w("played organized coached prepared"), _aspects("""
team|defense|attack : s : brave strong quick sharp united : slow weak lazy helpless sleepy
goalkeeper|coach|referee : s : brilliant calm fair alert : hopeless nervous unfair clumsy
passes|shots : p : precise clever sharp : sloppy wild weak
atmosphere|crowd : s : electric cheerful wonderful : hostile sour sleepy
"""), {True: _w("exciting thrilling fair dramatic electrifying"), False: _w("dull unfair sleepy scrappy lifeless")}, {
            True: _w("the fans sang for hours|I jumped out of my seat|the crowd went home happy|it was worth the ticket"),
            False: _w("the fans whistled for hours|I nearly fell asleep in my seat|the crowd went home early|it was not worth the ticket")}),
}  # fmt: skip
USED = {
    "film": "watched",
    "stage": "saw",
    "book": "read",
    "game": "played",
    "music": "heard",
    "restaurant": "visited",
    "hotel": "chose",
    "product": "bought",
    "lesson": "attended",
    "trip": "chose",
    "sport": "saw",
}
"""What one did with the thing that one reviews."""
DOMAIN_NAMES = ("film",) * 9 + (
    "stage",
    "book",
    "book",
    "game",
    "music",
    "restaurant",
    "restaurant",
    "hotel",
    "product",
    "product",
    "app",
    "lesson",
    "trip",
    "service",
    "weather",
    "sport",
)
ASPECT_VERBS = {
    True: _w("work|shine|impress|pay off|hold up well|delight|help a lot|add a lot|deserve praise|steal the show"),
    False: _w("fail|disappoint|annoy|fall flat|get in the way|go wrong|grate|add nothing|deserve no praise|spoil everything"),
}


def third(phrase: str) -> str:
    """A verb phrase for one thing: "fall flat" becomes "falls flat"."""
    verb, _, rest = phrase.partition(" ")
    if verb in ("do", "go") or verb.endswith(("s", "sh", "ch", "x", "z")):
        verb += "es"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return f"{verb} {rest}" if rest else verb


def plural(noun: str) -> str:
    """The plural of the last word."""
    if noun.startswith("pair of"):
        return noun.replace("pair", "pairs", 1)
    if noun.endswith(("'s", "series")):
        return noun
    if noun.endswith(("s", "sh", "ch", "x")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    if noun.endswith("fe"):
        return f"{noun[:-2]}ves"
    return f"{noun}s"


AN_WORDS = ("hon", "hour", "heir")
A_WORDS = ("uniq", "unif", "univ", "unit", "use", "usu", "one", "once", "eu")


def article(word: str) -> str:
    """The article "a" or "an" for the next word."""
    low = word.lower()
    if low.startswith(AN_WORDS) and not low.startswith("honey"):
        return "an"
    return "an" if low[:1] in "aeiou" and not low.startswith(A_WORDS) else "a"


def _articles(text: str) -> str:
    return re.sub(r"~a (\S+)", lambda match: f"{article(match[1])} {match[1]}", text)


def _cap(text: str) -> str:
    return text[:1].upper() + text[1:]


def _end(text: str, mark: str = ".") -> str:
    """A sentence with a capital letter and a full stop."""
    return _cap(text) if text[-1] in ".!?" else _cap(text) + mark


def loose(text: str) -> str:
    """The text as critics' snippets are often stored: lower case, spaces around marks."""
    text = re.sub(r"([,.!?;:])(?=\s|$)", r" \1", text.lower())
    return re.sub(r"(n't|'s|'re|'ve)\b", r" \1", text)


@cache
def _parts(template: str) -> tuple[str, ...]:
    return tuple(re.split(r"\[([^\]]+)\]", template))


LIVELY = frozenset(
    _w(
        "thrilling exciting skillful accomplished confident generous graceful thoughtful amusing joyful uplifting inspiring luminous radiant inventive creative fun careless thoughtless stingy foolish stupid boring dull joyless obnoxious tedious wearisome monotonous inept incompetent dreary gloomy depressing offensive insulting uninspiring tired feeble stale confused"
    )
)
"""Words that do not fit a chair or a bank."""


@cache
def _middle(name: str, good: bool) -> tuple[str, ...]:
    if name == "weather":
        return DOMAINS[name].words[good]
    if name in ("product", "app", "hotel", "restaurant", "service"):
        return tuple(word for word in MIDDLE[good] if word not in LIVELY)
    return MIDDLE[good]


@cache
def _pool(name: str, good: bool, level: int) -> tuple[str, ...]:
    """Adjectives for the whole thing; level 0 is any strength."""
    domain = DOMAINS[name]
    if level in (1, 5):
        return STRONG[good]
    if level:
        return MILD[good]
    own = domain.words[good] * (2 if domain.art else 4)
    return STRONG[good] + _middle(name, good) * (1 if domain.art else 2) + (ART[good] * 2 if domain.art else ()) + own + MILD[good]


@cache
def _plain_pool(name: str, good: bool) -> tuple[str, ...]:
    """Adjectives that a word like "very" or "rather" can stand before."""
    domain = DOMAINS[name]
    return _middle(name, good) + (ART[good] * 2 if domain.art else ()) + domain.words[good]


@cache
def _long(name: str, good: bool) -> tuple[str, ...]:
    domain = DOMAINS[name]
    if name == "weather":
        return (
            ("beautiful", "delightful", "pleasant", "enjoyable", "glorious")
            if good
            else ("unpleasant", "depressing", "miserable", "disagreeable", "dreadful")
        )
    return tuple(
        word
        for word in _middle(name, good) + (ART[good] if domain.art else ())
        if len(word) > 7 and not word.startswith(("well-", "badly-", "high-", "low-"))
    )


@cache
def _verbs(name: str, good: bool) -> tuple[str, ...]:
    if name == "weather":
        return VERBS[good][:5] + (
            ("make you smile", "put you in a good mood", "bring joy")
            if good
            else ("make you groan", "put you in a bad mood", "leave you cold")
        )
    return VERBS[good] + (ART_VERBS[good] * 2 if DOMAINS[name].art else ())


@cache
def _short_nouns(good: bool) -> tuple[str, ...]:
    return tuple(noun for noun in NOUNS[good] if " " not in noun)


@cache
def _qualities(name: str, good: bool) -> tuple[str, ...]:
    if name == "weather":
        return ("sunshine", "warmth", "fresh air", "golden light", "blue sky") if good else ("rain", "wind", "fog", "mud", "cold")
    return QUALITIES[good] + (ART_QUALITIES[good] * 2 if DOMAINS[name].art else ())


@dataclass(slots=True)
class Voice:
    """Somebody who reviews one thing: knows the verdict and remembers the words already used."""

    random: Random
    name: str
    thing: str
    good: bool
    level: int = 0
    aspect: Aspect | None = None
    weighed: bool = False
    spoken: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def take(self, pool: Sequence[str]) -> str:
        """A word that was not used yet, if one is found quickly."""
        for _ in range(6):
            word = self.random.choice(pool)
            if word not in self.spoken:
                break
        self.spoken.append(word)
        return word

    def own(self, good: bool, word: str) -> str:
        """Remember a word that speaks for the verdict."""
        if good == self.good:
            self.shown.append(word)
        return word

    def adjective(self, good: bool) -> str:
        """A word for the whole thing."""
        level = self.level if good == self.good else 0
        word = self.own(good, self.take(_plain_pool(self.name, good) if self.weighed and not level else _pool(self.name, good, level)))
        self.weighed = False
        if good == self.good:
            self.facts.append(f"it is {word}")
        return word

    def part(self) -> str:
        """Turn to another part of the thing."""
        aspects = DOMAINS[self.name].aspects
        for _ in range(6):
            self.aspect = self.random.choice(aspects)
            if self.aspect.name not in self.spoken:
                break
        assert self.aspect is not None
        self.spoken.append(self.aspect.name)
        return self.aspect.name

    def part_word(self, good: bool) -> str:
        """A word for the part in view."""
        aspect = self.aspect
        assert aspect is not None
        if self.level in (1, 5) and good == self.good:
            pool = STRONG[good]
        elif self.level and good == self.good:
            pool = MILD[good]
        else:
            pool = aspect.good if good else aspect.bad
            if self.random.random() < 0.25:
                pool = MIDDLE[good] if self.weighed else STRONG[good] + MIDDLE[good]
        self.weighed = False
        word = self.own(good, self.take(pool))
        if good == self.good:
            self.facts.append(f"the {aspect.name} {self.be()} {word}")
        return word

    def be(self) -> str:
        """Is or are, for the part in view."""
        return "are" if self.aspect is not None and self.aspect.number == "p" else "is"

    def noun_phrase(self, good: bool) -> str:
        """A part with its word: "a witty script", "stale jokes"."""
        name = self.part()
        word = self.part_word(good)
        assert self.aspect is not None
        return f"~a {word} {name}" if self.aspect.number == "s" else f"{word} {name}"

    def degree(self, soft: bool = False) -> str:
        """How much: often nothing."""
        draw = self.random.random()
        if self.level in (2, 3, 4):
            return self.take(SOFT) + " " if draw < 0.7 else ""
        if self.level:
            return self.take(UTTERLY) + " " if draw < 0.6 else ""
        if draw < 0.65:
            return ""
        self.weighed = True
        if draw < 0.73:
            return self.take(SOFT if soft else HEDGES) + " "
        if draw < 0.8:
            return self.take(OWN_DEGREES[self.good]) + " "
        return self.take(DEGREES[:-2] if soft else DEGREES) + " "

    def slot(self, code: str) -> str:  # noqa: C901 - one branch for each code
        """What stands in one place of a pattern."""
        good = self.good
        if code[0] == "-":
            code, good = code[1:], not good
        if code == "A":
            return self.adjective(good)
        if code == "T":
            return self.thing
        if code == "a":
            return "~a"
        if code == "D":
            return self.degree()
        if code == "d":
            return self.degree(soft=True)
        if code == "S":
            return self.part()
        if code == "B":
            return self.part_word(good)
        if code == "is":
            return self.be()
        if code == "was":
            return "were" if self.be() == "are" else "was"
        if code == "NP":
            return self.noun_phrase(good)
        if code == "V":
            return self.own(good, self.take(_verbs(self.name, good)))
        if code == "Vs":
            return self.own(good, third(self.take(_verbs(self.name, good))))
        if code == "W":
            verb = self.take(ASPECT_VERBS[good])
            return self.own(good, verb if self.be() == "are" else third(verb))
        return self.more(code, good)

    def more(self, code: str, good: bool) -> str:
        """The rarer places."""
        domain = DOMAINS[self.name]
        if code == "N":
            return self.own(good, self.take(NOUNS[good]))
        if code == "n":
            return self.own(good, self.take(_short_nouns(good)))
        if code == "used":
            return USED.get(self.name, "tried")
        if code == "Q":
            return self.own(good, self.take(_qualities(self.name, good)))
        if code == "L":
            return self.own(good, self.take(_long(self.name, good)))
        if code == "P":
            return self.own(good, f"{self.take(MANNER[good])} {self.take(domain.participles)}")
        if code == "R":
            return self.take(REACTIONS[good] + domain.reactions[good] * 2)
        if code == "U":
            return domain.unit
        if code == "Ts":
            return plural(self.thing)
        raise KeyError(code)

    def say(self, template: str) -> str:
        """A pattern with its places filled."""
        parts = _parts(template)
        text = "".join([self.slot(part) if index % 2 else part for index, part in enumerate(parts)])
        return _articles(text)


# Patterns for both verdicts. [A] a fitting word, [-A] a word of the other side, [S] [is] [B] a part and its word,
# [NP] a part with its word before it, [N] noun, [Q] quality, [V] [Vs] verb, [P] "well acted", [R] reaction, [D] degree.
PHRASES = _w("""[a] [d][A] [T]|[a] [d][A], [A] [T]|[a] [A] and [A] [T]|[a] [T] that [Vs]|[a] [T] that [Vs] and [Vs]|[a] [T] full of [Q]|[a] [A] [T] with [NP]
|[a] [A] [T] full of [Q] and [Q]|[A], [A] and full of [Q]|[A] and [D][A]|[D][A]|[A], [A], [A]|[A] from start to finish|[a] [T] with [NP] and [NP]|[a] [N]|[a] [N], [A] and [D][A]|[a] [n] of [a] [T]
|[a] [d][A] [T], full of [Q]|[NP] and [NP]|[NP]|[NP], [NP] and more than enough [Q]|[A] in every [U]|[Q] and [Q] in every [U]|one of the most [L] [Ts] of the year|among the most [L] [Ts] in years
|not [-A] but [A]|not [a] [-A] [T], but [a] [A] one|neither [-A] nor [-A]|far from [-A]|[a] [T] that is anything but [-A]|hardly [-A]|hardly [a] [-N]|too [A] to be [-A]|never [-A], always [A]|never [-A] and often [A]|more [A] than [-A]|less [-A] than [A]|as [A] as it is [A]
|without a trace of [-Q]|[A] where it could have been [-A]|[A] rather than [-A]|[A], not [-A]|[a] [T] that never [-Vs]|[a] [A] [T] that never [-Vs]|[a] [-A] idea turned into [a] [A] [T]|[a] [T] with more [Q] than [-Q]|despite [-NP], [a] [A] [T]|for all its [-Q], [a] [A] [T]
|[A], if sometimes [-A]|[a] [A] mixture of [Q] and [Q]|[a] [A], [D][A] piece of work|so [A] that it [Vs]|[a] [T] so [A] that you forget everything [-A] about it|[a] [T] as [A] as it is [A]|as [A] [a] [T] as you will find|[a] [A] take on the [T]|[Vs] and [Vs]|[Vs] from the first [U] to the last|another [A] [T]|[a] [T] of [d][A] moments|a lesson in how to make [a] [A] [T]""".replace("\n", ""))  # fmt: skip
MADE = _w(
    "[P]|[P] and [P]|[a] [P] [T]|[a] [d][A], [P] [T]|[P], with [NP]|[A], [P] and [D][A]|[a] [P] and [D][A] [T]|the whole thing is [P]|it is [P], and it [Vs]|[a] [T], [P] and [A]"
)
CLAUSES = _w("""the [T] is [D][A]|the [T] was [D][A]|it is [D][A]|this is [a] [d][A] [T]|it was [a] [d][A] [T]|the [S] [is] [D][B]|the [S] [was] [D][B]|the [S] [is] [B] and [B]|the [S] [is] [B] and the [S] [is] [B]|the [S] [W]|the [T] [Vs]|it [Vs]|it [Vs] and [Vs]|it manages to [V]
|the [T] is full of [Q]|you find [Q] in every [U]|I found the [T] [D][A]|I thought it was [A]|I call it [a] [N]|it is [a] [N]|this [T] is [a] [N]|everything about it is [A]|every [U] is [D][A]|what [a] [A] [T]!|what [a] [N]!|it has [NP] and [NP]|with [NP] and [NP], it [Vs]|thanks to [NP], it [Vs]
|it is [a] [T] that [Vs]|it is [A], [A] and [D][A]|it is as [A] as it is [A]|I have rarely known a more [L] [T]|it is one of the most [L] [Ts] I know|you will find it [A]|people call it [A], and they are right|everybody told me that it was [A], and it is
|the [T] is not [-A]|it is not [-A] at all|it is never [-A]|it is far from [-A]|nothing about it is [-A]|the [S] [is] not [-B]|the [S] [is] never [-B]|it does not [-V]|the [T] never [-Vs]|it is neither [-A] nor [-A]|I would not call it [-A]|nobody could call it [-A]|it is hardly [-A]|it is anything but [-A]|it is too [A] to be [-A]|I found no [-Q] in it|it has more [Q] than [-Q]|without any [-Q], it [Vs]
|it could have been [-A], but it is [A]|it might have been [a] [-N], but it is [a] [N]|despite [-NP], the [T] is [A]|despite [-NP], it [Vs]|although the [S] [is] [-B], the [T] as a whole is [A]|even though the [S] [is] [-B], it is [a] [N]|for all its [-Q], the [T] is [D][A]|for all its [-Q], it [Vs]|what begins as [a] [-A] [T] becomes [a] [A] one|I expected something [-A] and got something [A]|you may expect [a] [-A] [T], but what you get is [A]|some may call it [-A], but I call it [A]|it looks [-A] at first, but it is [A]|it is [A] rather than [-A]|the [S] [is] [-B], yet the [T] [Vs]|not even [-NP] can change the fact that it is [A]
|compared with other [Ts], this one is [A]|it is more [L] than the last one|the longer it lasts, the more [L] it gets|it starts [A] and stays [A]|I am still talking about how [A] it was|the people behind it clearly know how to make something [A]|[R]|[R]|[R]|[R]""".replace("\n", ""))  # fmt: skip
ONE_SIDED = {
    True: _w("it never lacks [Q]|it has [Q] to spare|it avoids every trace of [-Q]|it manages to avoid [-Q]|it is never less than [A]|I wish there were more [Ts] like this one|it does not fail to [V]|you could not ask for a more [L] [T]|rarely has [a] [T] had so much [Q]|it leaves other [Ts] far behind|there is nothing wrong with it|I cannot find a single fault in it|the worst thing about it is that it ends|even people who hate [Ts] will like this one"),
    False: _w("it lacks [-Q]|it lacks [-Q] and [-Q]|it fails to [-V]|it never manages to [-V]|it could have used more [-Q]|if only it were [-A]|if only it had more [-Q]|I wish it had some [-Q]|where is the [-Q]?|it wants to be [-A], but it is only [A]|it tries to [-V], but it does not|it is devoid of [-Q]|it promises [-Q] and delivers [Q]|it has all the [-Q] of a wet towel|it is about as [-A] as a tax form|there is nothing right about it|the best thing about it is that it ends|even people who love [Ts] will dislike this one|it should have been [-A]|you have seen better [Ts]"),
}  # fmt: skip
VERDICTS = _w(
    "in the end, it is [a] [N]|all in all, it is [a] [A] [T]|all in all, [a] [d][A] [T]|overall, I found it [A]|on balance, it [Vs]|still, the whole is [D][A]|even so, it is [A]|in short, it is [A]|taken together, it is [a] [N]|my verdict: [A]|when all is said and done, it is [A]|to sum up, [a] [A] [T]|at the end of the day, it is [a] [d][A] [T]|the overall result is [A]|so my overall opinion is clear: it is [A]|for me, it is [a] [N]|and yet, as a whole, it [Vs]|nevertheless, it [Vs]|but none of that changes the fact that it is [A]|but the [T] as a whole is [A]|[R]"
)
DOUBTS = _w(
    "the [S] [is] [-B]|the [S] [is] [-B], and the [S] [is] [-B]|the [S] [is] [-B], I admit|true, the [S] [is] [-B]|at first it looks [-A]|I noticed some [-Q] in it|for a while, it [-Vs]|not everything about it is [A]|parts of it are [-A]|it has [-NP]"
)
SO_SO = _w(
    "the [S] [is] [B], but the [S] [is] [-B]|it is neither [A] nor [-A]|half of it is [A], the other half is [-A]|I liked the [S], but not the [S]|it is all right, no more and no less|some parts are [A], others are [-A]|it is average|I have mixed feelings about this [T]|the [T] is so-so|it is an average [T]|it was okay|the good and the bad are in balance|three out of five seems fair to me|one can like it or leave it|it has both [Q] and [-Q]|on the one hand it is [A], on the other hand it is [-A]"
)
LEVEL_LINES = _w(
    "the [T] is [D][A]|it is [D][A]|this is [a] [d][A] [T]|it was [a] [d][A] [T]|the [S] [is] [D][B]|the [S] [is] [B] and the [S] [is] [B]|I found the [T] [D][A]|I thought it was [D][A]|every [U] is [D][A]|overall, it is [D][A]|I would call it [D][A]|all in all, [a] [d][A] [T]"
)
LEVEL_ENDS = {
    5: _w("I could not be happier with it|nothing could be better|it is the best [T] I know|it deserves every prize there is|I loved it from beginning to end|full marks"),
    4: _w("a few small things could be better|I liked it|it is not perfect, but I liked it|it was good, with a few small faults|I had a good time|on the whole I was pleased|it could be a little better, but I am content"),
    2: _w("only a few small things were good|I did not like it much|it is not the worst, but I did not like it|it was weak, with a few good moments|I had expected more|on the whole I was not pleased|it could be worse, but I am not content"),
    1: _w("I could not be angrier about it|nothing could be worse|it is the worst [T] I know|it deserves every complaint there is|I hated it from beginning to end|no marks at all"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Review:
    """A review with its verdict."""

    text: str
    good: bool
    thing: str
    shown: tuple[str, ...]
    facts: tuple[str, ...]
    critic: bool


def _voice(random: Random, good: bool, level: int = 0, name: str = "") -> Voice:
    name = name or random.choice(DOMAIN_NAMES)
    return Voice(random, name, random.choice(DOMAINS[name].things), good, level)


def _line(voice: Voice) -> str:
    """One clause, without capital letter or full stop."""
    draw = voice.random.random()
    if draw < 0.12:
        return voice.say(voice.random.choice(ONE_SIDED[voice.good]))
    if draw < 0.16 and DOMAINS[voice.name].participles:
        return voice.say(voice.random.choice(MADE[-3:-1]))
    return voice.say(voice.random.choice(CLAUSES))


def _phrase(voice: Voice) -> str:
    """One fragment, without capital letter or full stop."""
    made = voice.random.random() < 0.12 and bool(DOMAINS[voice.name].participles)
    return voice.say(voice.random.choice(MADE[:-3] if made else PHRASES))


def _joined(voice: Voice) -> str:
    """Two clauses in one sentence."""
    joint = voice.random.choice([", and ", "; ", " and ", ": ", " -- "])
    first, second = _line(voice).rstrip("!?"), _line(voice)
    if second.startswith(("what", "where")):
        joint = " -- "
    return first + joint + second


def _mixed(voice: Voice) -> list[str]:
    """Doubts first, the verdict in the end."""
    doubt = voice.say(voice.random.choice(DOUBTS))
    if voice.random.random() < 0.4:
        joint = voice.random.choice([", but ", ", yet "])
        return [doubt + joint + voice.say(voice.random.choice(VERDICTS[:6] + VERDICTS[7:9])).removeprefix("still, ")]
    return [doubt, voice.say(voice.random.choice(VERDICTS))]


def _sentences(voice: Voice, most: int = 4) -> list[str]:
    """The clauses of a review in full sentences."""
    draw = voice.random.random()
    if draw < 0.15:
        return _mixed(voice)
    if draw < 0.25:
        return [_joined(voice)]
    lines = [_line(voice) for _ in range(voice.random.randint(1, most))]
    if voice.random.random() < 0.3 and len(lines) > 1:
        lines[-1] = voice.say(voice.random.choice(VERDICTS))
    if voice.random.random() < 0.3:
        lines.insert(0, _opener(voice))
    return lines


OPENERS = _w(
    "I [used] this [T] last week|I [used] this [T] yesterday|my sister told me about this [T]|we had heard a lot about this [T]|my friends wanted to know about this [T]|yesterday I gave the [T] a chance|I had never known [a] [T] like this before|this is my first review|here is what I think of the [T]|a few words about the [T]|my review of the [T]|I want to be honest about the [T]|now to the [T]|let me say something about the [T]"
)


def _opener(voice: Voice) -> str:
    """A first clause without an opinion."""
    return voice.say(voice.random.choice(OPENERS[7:] if voice.name in ("weather", "trip") else OPENERS))


def review(random: Random, good: bool | None = None, name: str = "", full: bool = False) -> Review:
    """A review whose verdict is sure."""
    if good is None:
        good = random.random() < 0.5
    voice = _voice(random, good, 0, name)
    critic = not full and random.random() < (0.6 if DOMAINS[voice.name].art else 0.3)
    if critic:
        text = _critic(voice)
    else:
        lines = _sentences(voice)
        text = " ".join([_end(line, "!" if random.random() < 0.04 else ".") for line in lines])
        if not full and random.random() < 0.06:
            text = text.lower()
    return Review(text, good, voice.thing, tuple(voice.shown), tuple(voice.facts), critic)


def _critic(voice: Voice) -> str:
    """A critic's snippet."""
    random = voice.random
    draw = random.random()
    if draw < 0.4:
        text = _phrase(voice)
    elif draw < 0.5:
        text = f"{_phrase(voice)}, {voice.say(random.choice(('and [A]', 'and never [-A]', 'and far from [-A]', 'and [D][A]')))}"
    elif draw < 0.55:
        text = f"{_phrase(voice)}{random.choice([', ', '; ', ': '])}{_phrase(voice)}"
    elif draw < 0.62:
        text = voice.say("[a] [d][A] [T]; ") + _line(voice)
    elif draw < 0.72:
        text = _joined(voice)
    elif draw < 0.82:
        lines = _mixed(voice)
        text = (
            lines[0]
            if len(lines) == 1
            else lines[0]
            + voice.say(
                random.choice(
                    [", but it is [D][A]", ", but it [Vs]", ", yet the [T] [Vs]", ", but the whole is [D][A]", ", and still it is [a] [N]"]
                )
            )
        )
    else:
        text = _line(voice)
    if random.random() < 0.75:
        return loose(text + (random.choice([".", ".", ".", "", "!"]) if text[-1] not in ".!?" else ""))
    return _end(text)


def graded(random: Random, level: int, name: str = "") -> Review:
    """A review of 1 to 5 stars; 3 is in the middle."""
    voice = _voice(random, level > 3 or (level == 3 and random.random() < 0.5), 0 if level == 3 else level, name)
    if level == 3:
        lines = [voice.say(line) for line in random.sample(SO_SO, random.randint(1, 2))]
    else:
        lines = [voice.say(line) for line in random.sample(LEVEL_LINES, random.randint(1, 2))]
        if random.random() < 0.7 or level in (2, 4):
            lines.append(voice.say(random.choice(LEVEL_ENDS[level])))
    return Review(" ".join([_end(line) for line in lines]), voice.good, voice.thing, tuple(voice.shown), tuple(voice.facts), False)


def _ask(random: Random, text: str, asks: Sequence[str], systems: Sequence[str], answer: str) -> list[Turn]:
    """The instruction before or after the text, or in a system message."""
    if random.random() < 0.45:
        return [("system", random.choice(systems)), ("user", text), ("assistant", answer)]
    return [("user", random.choice(asks).replace("{}", text)), ("assistant", answer)]


LABEL_ASKS = _w(
    '{} Is it positive or negative?|Sentiment: {}|{}\nSentiment:|Classify the sentiment as positive or negative: {}|Review: {} Positive or negative?|Is this review positive or negative? {}|Label this text as positive or negative.\n{}|Text: {}\nLabel (positive or negative):|Decide whether the writer is positive or negative: {}|{}\nPositive or negative?|What is the sentiment of this text? {}|Positive or negative: {}|Read the review and give its sentiment.\n\n{}|Tell me if this is positive or negative: {}|Movie review: {}\nSentiment:|Name the sentiment: {}|{}\nIs the opinion positive or negative?|Is the tone of this sentence positive or negative?\n{}|Give the label: positive or negative.\n{}|Judge the tone: positive or negative? "{}"|Review: {}\nSentiment:'
)
LABEL_SYSTEMS = _w(
    "Is it positive or negative?|Classify the sentiment as positive or negative.|Give the label: positive or negative.|Label the sentiment.|Name the sentiment.|You classify reviews as positive or negative.|Answer with positive or negative.|Say whether the review is positive or negative.|Sentiment: positive or negative?|You are a sentiment classifier. Answer positive or negative.|Reply with one word: positive or negative.|The user sends reviews. Label each one positive or negative.|Decide if the text is positive or negative.|Give only the sentiment.|For each text, write positive or negative.|Is the writer positive or negative? Use one word."
)
OTHER_LABELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Positive", "Negative", _w("Answer with Positive or Negative.|Sentiment (Positive or Negative)?|Label it Positive or Negative.")),
    ("good", "bad", _w("Is it good or bad?|Answer with good or bad.|Does the writer find it good or bad?|Label it good or bad.|Is the opinion good or bad?")),
    ("Good", "Bad", _w("Answer with Good or Bad.|Label it Good or Bad.")),
    ("1", "0", _w("Answer with 1 for positive and 0 for negative.|1 is positive, 0 is negative. Which is it?|Label it 1 if it is positive and 0 if it is negative.|Write 1 for praise or 0 for blame.")),
    ("thumbs up", "thumbs down", _w("Thumbs up or thumbs down?|Answer with thumbs up or thumbs down.|Would the writer give a thumbs up or a thumbs down?")),
    ("👍", "👎", _w("Answer with 👍 or 👎.|Which emoji fits, 👍 or 👎?|Label it 👍 or 👎.")),
    ("yes", "no", _w("Did the writer like it? Answer yes or no.|Does the writer like it? Say yes or no.|Is it positive? Answer yes or no.|Was the writer happy with it? yes or no?")),
    ("Yes", "No", _w("Did the writer like it?|Does the writer like it?|Is the writer pleased?|Is this review positive?|Was the writer happy with it?")),
    ("No", "Yes", _w("Is this review negative?|Was the writer disappointed?|Did the writer dislike it?|Is the writer unhappy with it?")),
    ("praise", "blame", _w("Is it praise or blame?|Answer with praise or blame.")),
    ("happy", "unhappy", _w("Is the writer happy or unhappy?|Answer with happy or unhappy.")),
    ("liked", "disliked", _w("Label it liked or disliked.|Was it liked or disliked? Use one word.")),
    ("POSITIVE", "NEGATIVE", _w("Answer with POSITIVE or NEGATIVE.|Label it POSITIVE or NEGATIVE.")),
    ("favorable", "unfavorable", _w("Is the review favorable or unfavorable?|Answer with favorable or unfavorable.")),
)  # fmt: skip


def sentiment(random: Random) -> list[Turn]:
    """A review and its label."""
    shown = review(random)
    if random.random() < 0.55:
        return _ask(random, shown.text, LABEL_ASKS, LABEL_SYSTEMS, "positive" if shown.good else "negative")
    yes, no, asks = random.choice(OTHER_LABELS)
    answer = yes if shown.good else no
    ask = random.choice(asks)
    if random.random() < 0.4:
        return [("system", ask), ("user", shown.text), ("assistant", answer)]
    layout = random.choice(["{} {}", "{}\n{}", "{}\n\n{}"])
    parts = (ask, shown.text) if random.random() < 0.5 else (shown.text, ask)
    return [("user", layout.format(*parts)), ("assistant", answer)]


PLAIN_REPLIES = {
    True: _w("It sounds as if you enjoyed it.|I am glad that you liked it.|That sounds great!|How nice that the {t} pleased you.|I am happy to hear that.|You seem to have had a good time.|That is high praise for the {t}.|What a kind review!|So the {t} is worth it.|Good to know! I might like the {t} too.|It is lovely when something turns out so well.|I am glad it was worth your while.|Then I can recommend the {t} to others.|You clearly liked the {t}.|It must have been a good {t}.|That is good news.|I can hear how much you liked it.|Wonderful! Would you choose the {t} again?|What did you like most about the {t}?|Your words make me curious about the {t}.|The {t} seems to have made you happy.|It seems that the {t} kept its promise.|How lovely! I hope many people discover the {t}.|Thank you for the warm words about the {t}.|The people behind the {t} would be pleased to read that.|That sounds like a success.|You make the {t} sound very good.|I am pleased that it went well.|So you would give the {t} a thumbs up.|A happy review is always nice to read.|It seems you were not disappointed.|What a nice thing to say about the {t}.|I understand: you think well of the {t}.|Then it was a good choice.|That is a strong reason to try the {t}.|It sounds like a {t} to remember.|Great, I will keep the {t} in mind.|I am delighted for you.|That must have felt good.|You sound pleased with the {t}.|So it was money well spent.|I like your praise for the {t}.|May the next {t} be just as good."),
    False: _w("I am sorry that it disappointed you.|It sounds as if you did not enjoy it.|I am sorry that you did not like it.|That does not sound good.|What a pity that the {t} did not please you.|I am sorry to hear that.|You seem to have had a bad time.|That is hard criticism of the {t}.|What a harsh review!|So the {t} is not worth it.|Good to know! I will avoid the {t}.|It is sad when something turns out so badly.|I am sorry it was not worth your while.|Then I cannot recommend the {t} to others.|You clearly did not like the {t}.|It must have been a bad {t}.|That is a shame.|I can hear how disappointed you were.|Oh no! What would you choose instead of the {t}?|What bothered you most about the {t}?|Your words make me careful about the {t}.|The {t} seems to have made you unhappy.|It seems that the {t} did not keep its promise.|What a shame! I hope you find something better than the {t}.|Thank you for the honest words about the {t}.|The people behind the {t} should hear your complaint.|That sounds like a failure.|You make the {t} sound very bad.|I am sorry that it went badly.|So you would give the {t} a thumbs down.|A disappointed review is never nice to read.|It seems you were let down.|What a hard thing to say about the {t}.|I understand: you do not think much of the {t}.|Then it was a poor choice.|That is a strong reason to skip the {t}.|It sounds like a {t} to forget.|All right, I will stay away from the {t}.|I feel for you.|That must have been annoying.|You sound unhappy with the {t}.|So it was money badly spent.|I understand your anger about the {t}.|May the next {t} be much better."),
}  # fmt: skip


def _reply(good: bool, thing: str, text: str, random: Random) -> str:
    """A reply that names the thing only if the review does."""
    reply = random.choice(PLAIN_REPLIES[good])
    if thing in text.lower():
        return reply.replace("{t}", thing)
    while "{t}" in reply.replace("the {t}", "").replace("The {t}", ""):
        reply = random.choice(PLAIN_REPLIES[good])
    return reply.replace("the {t}", "it").replace("The {t}", "It")


def sentiment_plain(random: Random) -> list[Turn]:
    """A review alone; the reply shows that its tone was understood."""
    shown = review(random)
    turns = [("user", shown.text), ("assistant", _reply(shown.good, shown.thing, shown.text, random))]
    if random.random() < 0.12:
        return [
            (
                "system",
                random.choice(
                    [
                        "You are a helpful assistant.",
                        "Be kind and clear.",
                        "You talk with people about what they like.",
                        "Answer in a short sentence.",
                    ]
                ),
            ),
            *turns,
        ]
    return turns


WHY_ASKS = _w(
    "{} Which words show the sentiment?|{}\nIs it positive or negative, and why?|{} How do you know what the writer thinks?|Which words show what the writer feels? {}|Explain the sentiment: {}|{}\nName the words that show the opinion.|Why is this review {l}? {}|{}\nWhat makes this review {l}?|Find the words that show the tone: {}|Positive or negative? Give a reason.\n{}"
)
WHY_SYSTEMS = _w(
    "Give the sentiment and the words that show it.|Explain the sentiment of each review.|Name the words that show the opinion.|Say positive or negative, and why."
)
WHY_TWO = _w(
    "It is {l}. The words '{a}' and '{b}' show that.|The words '{a}' and '{b}' show that it is {l}.|{L}, because the writer says '{a}' and '{b}'.|It is {l}, as '{a}' and '{b}' show.|You can see it in '{a}' and '{b}': the review is {l}.|The writer uses '{a}' and '{b}', so it is {l}."
)
WHY_ONE = _w(
    "It is {l}. The word '{a}' shows that.|'{a}' shows that it is {l}.|{L}, because the writer says '{a}'.|It is {l}, as '{a}' shows.|The writer says '{a}', so it is {l}."
)


def _told(random: Random, make: Callable[[Random], Review] = review) -> Review:
    """A review in which something speaks openly for the verdict."""
    for _ in range(8):
        shown = make(random)
        if shown.shown:
            break
    return shown


def sentiment_why(random: Random) -> list[Turn]:
    """A label with the words that show it."""
    shown = _told(random)
    label = "positive" if shown.good else "negative"
    words = [word.lower() if shown.critic else word for word in dict.fromkeys(shown.shown) if word.lower() in shown.text.lower()] or ["it"]
    form = random.choice(WHY_TWO if len(words) > 1 else WHY_ONE)
    first, second = random.sample(words, 2) if len(words) > 1 else (words[0], "")
    if " " in first:
        form = form.replace("The word '{a}'", "The phrase '{a}'")
    answer = form.format(l=label, L=_cap(label), a=first, b=second)
    return _ask(random, shown.text, [ask.replace("{l}", label) for ask in (random.choice(WHY_ASKS),)], WHY_SYSTEMS, answer)


STAR_ASKS = _w(
    "{} How many stars?|How many stars would the writer give? {}|{}\nStars (1 to 5):|Rate this review from 1 to 5: {}|Give 1 to 5 stars for this review.\n{}|{}\nRating from 1 to 5?|Review: {} Stars?|Guess the star rating: {}|From 1 (very bad) to 5 (very good): {}"
)
STAR_SYSTEMS = _w(
    "Give 1 to 5 stars.|Answer with a number of stars from 1 to 5.|Rate each review from 1 to 5.|You guess star ratings.|How many stars, from 1 to 5?"
)


def star_rating(random: Random) -> list[Turn]:
    """A review and its stars."""
    level = random.choice((1, 1, 2, 3, 4, 5, 5))
    shown = graded(random, level)
    kind = random.random()
    if kind < 0.4:
        return _ask(random, shown.text, STAR_ASKS, STAR_SYSTEMS, str(level))
    if kind < 0.65:
        ask = random.choice(
            [
                "How many stars? Write the number and the word stars.",
                "Say how many stars it would get.",
                "What rating fits? Answer like this: 3 stars.",
            ]
        )
        return _ask(random, shown.text, [f"{{}} {ask}", f"{ask}\n{{}}"], [ask], f"{level} star{'' if level == 1 else 's'}")
    if kind < 0.82:
        ask = random.choice(["Show the rating as stars.", "Draw the stars.", "Answer with star signs."])
        return _ask(random, shown.text, [f"{{}} {ask}", f"{ask}\n{{}}"], [ask], "★" * level + "☆" * (5 - level))
    ask = random.choice(
        [
            "Is it very positive, positive, neutral, negative or very negative?",
            "Give the strength: very positive, positive, neutral, negative, very negative.",
            "How positive is it? Choose very negative, negative, neutral, positive or very positive.",
        ]
    )
    return _ask(
        random,
        shown.text,
        [f"{{}} {ask}", f"{ask}\n{{}}"],
        [ask],
        ("very negative", "negative", "neutral", "positive", "very positive")[level - 1],
    )


MORE_ASKS: tuple[tuple[str, str, str], ...] = (
    ("Which review is more positive, the first or the second?", "first", "second"),
    ("Which one is more positive? Answer first or second.", "first", "second"),
    ("Which writer is happier? Say first or second.", "first", "second"),
    ("Which one is better, 1 or 2?", "1", "2"),
    ("Which of the two would you rather try? Say first or second.", "first", "second"),
    ("Which review is more negative, the first or the second?", "second", "first"),
    ("Which writer is less pleased? Say first or second.", "second", "first"),
    ("Which review is more positive, A or B?", "A", "B"),
    ("Which is worse, A or B?", "B", "A"),
)  # fmt: skip


def more_positive(random: Random) -> list[Turn]:
    """Two reviews: which is the better one?"""
    name = random.choice(DOMAIN_NAMES)
    if random.random() < 0.6:
        texts = [review(random, good, name).text for good in (True, False)]
    else:
        high, low = random.choice(((5, 3), (5, 2), (5, 1), (4, 1), (3, 1), (4, 2)))
        texts = [graded(random, level, name).text for level in (high, low)]
    first = random.random() < 0.5
    if not first:
        texts.reverse()
    ask, yes, no = random.choice(MORE_ASKS)
    if yes in "AB":
        marks = ("A: ", "B: ")
    elif yes in "12":
        marks = ("1: ", "2: ")
    else:
        marks = random.choice(
            (("First: ", "Second: "), ("1. ", "2. "), ("Review 1: ", "Review 2: "), ("First review: ", "Second review: "))
        )
    body = f"{marks[0]}{texts[0]}\n{marks[1]}{texts[1]}"
    answer = yes if first else no
    if random.random() < 0.3:
        return [("system", ask), ("user", body), ("assistant", answer)]
    return [("user", f"{ask}\n{body}" if random.random() < 0.5 else f"{body}\n{ask}"), ("assistant", answer)]


RECOMMEND_ASKS = _w(
    "{} Would the writer recommend it?|{}\nShould I try it?|Does the writer recommend the {t}? {}|{} Is the {t} worth it?|Should I try the {t}? Here is a review: {}|{}\nIs it a good choice?|I read this: {} Should I give it a try?|Would you recommend the {t} after this review? {}"
)
RECOMMEND = {
    True: _w(
        "Yes, because {f}.|Yes. The writer says that {f}.|Yes, it is a good choice: {f}.|I would say yes, since {f}.|Yes, go ahead: {f}.|Yes, it is recommended, because {f}."
    ),
    False: _w(
        "No, because {f}.|No. The writer says that {f}.|No, it is a poor choice: {f}.|I would say no, since {f}.|No, stay away: {f}.|No, it is not recommended, because {f}."
    ),
}


def recommend(random: Random) -> list[Turn]:
    """Yes or no, with a reason from the review."""
    for _ in range(8):
        shown = review(random, full=True)
        if shown.facts:
            break
    fact = random.choice(shown.facts) if shown.facts else ("the writer liked it" if shown.good else "the writer did not like it")
    answer = random.choice(RECOMMEND[shown.good]).replace("{f}", fact)
    ask = random.choice(RECOMMEND_ASKS).replace("{t}", shown.thing).replace("{}", shown.text)
    return [("user", ask), ("assistant", answer)]


WRITE_ASKS = _w(
    "Write a {g} review of the {t}.|Write a {g} review of {at}.|Give me a {g} review of {at}.|Make up a {g} opinion about the {t}.|I need a {g} review of {at}.|Please write a short, {g} review of the {t}.|Can you write a {g} review of {at}?|Write something {g} about the {t}.|Say something {g} about the {t}.|Praise or blame the {t}: make it {g}."
)


def write_review(random: Random) -> list[Turn]:
    """A review as asked for."""
    good = random.random() < 0.5
    shown = review(random, good, full=True)
    word = random.choice(
        ["good", "positive", "happy", "kind", "glowing", "nice", "favorable"]
        if good
        else ["bad", "negative", "harsh", "critical", "scathing", "nasty", "unfavorable"]
    )
    ask = (
        random.choice(WRITE_ASKS).replace("{g}", word).replace("{at}", f"{article(shown.thing)} {shown.thing}").replace("{t}", shown.thing)
    )
    ask = ask.replace(f" a {word}", f" {article(word)} {word}")
    text = shown.text if shown.thing in shown.text.lower() else f"This is about the {shown.thing}. {_cap(shown.text)}"
    return [("user", ask), ("assistant", _cap(text))]


PAIRS = tuple(
    tuple(pair.split("/"))
    for pair in _w(
        "good/bad|great/terrible|wonderful/awful|excellent/dreadful|interesting/boring|exciting/dull|funny/unfunny|beautiful/ugly|clever/stupid|fresh/stale|warm/cold|lively/lifeless|bright/drab|deep/shallow|strong/weak|original/unoriginal|memorable/forgettable|pleasant/unpleasant|useful/useless|clear/confusing|charming/charmless|lovely/horrible|delightful/annoying|enjoyable/painful|impressive/disappointing|satisfying/unsatisfying|perfect/worthless|brilliant/abysmal|careful/careless|elegant/clumsy|fair/unfair|kind/unkind|attractive/unattractive|appealing/unappealing|welcome/unwelcome|cheerful/gloomy|superb/miserable|splendid/dismal|fascinating/tedious|amazing/lousy|convincing/unconvincing|inspired/uninspired|thoughtful/thoughtless|graceful/awkward|worthwhile/pointless|uplifting/depressing|refreshing/tiring|outstanding/mediocre|successful/unsuccessful|likable/unlikable|popular/unpopular|better/worse|first-rate/third-rate|joyful/joyless|tasteful/tasteless|smooth/rough|honest/dishonest|imaginative/unimaginative|surprising/predictable|generous/stingy"
    )
)
PLAIN_PAIRS = tuple(
    pair
    for pair in PAIRS
    if pair[0]
    not in _w(
        "deep warm funny bright lively honest kind thoughtful joyful inspired convincing imaginative graceful exciting smooth uplifting surprising likable generous clever fresh careful strong brilliant tasteful cheerful"
    )
)
"""Pairs for things without a story."""
PAIR_LINES = tuple(
    tuple(line.split("/"))
    for line in _w(
        "I loved the {t}/I hated the {t}|I liked the {t}/I disliked the {t}|I would recommend the {t}/I would not recommend the {t}|the {t} made me smile/the {t} made me frown|the {t} was a success/the {t} was a failure|the {t} was a joy/the {t} was a pain|I enjoyed every minute/I regretted every minute|it was worth the money/it was not worth the money|I want to come back/I never want to come back|everyone was happy/everyone was unhappy|it got better and better/it got worse and worse|I would do it again/I would not do it again|it is the best {t} I know/it is the worst {t} I know|it was a triumph/it was a disaster|it deserves praise/it deserves blame|I was glad to be there/I was sorry to be there|it exceeded my hopes/it fell short of my hopes|I left happy/I left angry|it works well/it works badly|it never bores/it always bores|nothing is wrong with it/nothing is right with it"
    )
)
PAIR_FRAMES = _w(
    "The {t} was {0} and {1}.|This is {x0} {t}.|The {t} is {0}, and {l}.|What {x0} {t}!|I think the {t} is {0}.|{L}, because it was {0}.|{L}. It was {0} and {1}.|{x0}, {1} {t}|The {t} was {0}. {L}.|It was {x0} {t}, and {l}.|I find the {t} both {0} and {1}.|Everything about the {t} was {0}.|{L}.|Such {x0} {t}!"
)
TO_GOOD = _w(
    "Make it positive: {}|Rewrite this so that it is positive: {}|{}\nNow make it positive.|Turn this into praise: {}|Change the sentiment to positive: {}|Say the opposite: {}|Write the opposite opinion: {}|Write the happy version: {}"
)
TO_BAD = _w(
    "Make it negative: {}|Rewrite this so that it is negative: {}|{}\nNow make it negative.|Turn this into a complaint: {}|Change the sentiment to negative: {}|Say the opposite: {}|Write the opposite opinion: {}|Write the unhappy version: {}"
)


def rewrite_opposite(random: Random) -> list[Turn]:
    """The same sentence with the opposite verdict."""
    name = random.choice(DOMAIN_NAMES)
    thing = random.choice(DOMAINS[name].things)
    first, second = random.sample(PAIRS if DOMAINS[name].art else PLAIN_PAIRS, 2)
    line, frame = random.choice(PAIR_LINES), random.choice(PAIR_FRAMES)
    made = []
    for side in (0, 1):
        clause = line[side].replace("the {t}", "it").replace("{t}", thing) if "{t}" in frame else line[side].replace("{t}", thing)
        text = frame.format(first[side], second[side], t=thing, x0=f"{article(first[side])} {first[side]}", l=clause, L=_cap(clause))
        made.append(text)
    good = random.random() < 0.5
    source, result = (made[1], made[0]) if good else (made[0], made[1])
    if random.random() < 0.25:
        system = random.choice(
            [
                "Turn every sentence into its opposite.",
                "Rewrite each review with the opposite sentiment.",
                "Say the opposite of what the user says.",
            ]
        )
        return [("system", system), ("user", source), ("assistant", result)]
    return [("user", random.choice(TO_GOOD if good else TO_BAD).replace("{}", source)), ("assistant", result)]


@dataclass(frozen=True, slots=True)
class Feeling:
    """An emotion: words for it, its emoji, things that happen, and kind replies."""

    words: tuple[str, ...]
    emoji: str
    events: tuple[str, ...]
    replies: tuple[str, ...]


# {p} stands for my, his, her, our, their; {o} for me, him, her, us, them.
FEELINGS: dict[str, Feeling] = {
    "joy": Feeling(_w("happy glad joyful delighted cheerful overjoyed merry thrilled"), "😊", _w("won a free holiday|danced in the kitchen all evening|got a new puppy|found the lost ring|ate the best ice cream of the year|laughed until it hurt|played in the first snow|got a long letter from a friend|jumped into the cool lake|saw a double rainbow|sang all the way home|got tickets for the concert|had a wonderful birthday party|heard that the school trip was on|opened the big present|rode a horse along the beach|built a treehouse with friends|met an old friend by chance|got the job at last|woke up to sunshine and birdsong|splashed through the puddles|flew a kite in the wind|got an extra day off|found a box of old toys|won the raffle|was invited to the party|ate pancakes for breakfast|watched the kittens play|celebrated with the whole family|went on the roller coaster five times|got a surprise visit from {p} cousins|had a picnic by the river|was given a new bicycle|smiled all day long|went skating with {p} friends|made a snowman with {p} cousins|heard {p} favorite song on the radio|got good news from the doctor|clapped and cheered at the show|spent the whole day at the fair"), _w("That is wonderful to hear!|How lovely! Enjoy it.|I am so happy about that.|What great news!|That sounds like a lot of fun.|Hooray! Such days are precious.|That makes me smile too.|How nice! Keep that feeling.|What a happy moment!|I can feel the joy in your words.|That is a good reason to celebrate.|Wonderful! Tell me more about it.")),
    "sadness": Feeling(_w("sad unhappy heartbroken miserable down tearful gloomy sorrowful"), "😢", _w("lost {p} favorite toy|said goodbye to {p} best friend|cried all night|missed {p} grandmother very much|had no one to play with|buried the old cat in the garden|failed the test again|dropped the ice cream in the sand|broke the cup from {p} grandfather|heard the bad news from home|had to move away from {p} friends|sat alone at the lunch table|lost the last game of the season|found the bird dead in the grass|got no card on {p} birthday|had to sell the old house|watched the train leave with {p} sister|could not go to the party|read the last letter again and wept|lost {p} wedding ring|had to give the dog away|was left out of the team|was all alone on the holiday|had to stay in the hospital|saw the old tree cut down|missed {p} family far away|stared out of the window with wet eyes|heard that the trip was canceled|was forgotten by {p} friends|lost {p} job before the holidays|lost touch with {p} oldest friend|listened to the sad song and cried|was not chosen for the play|came home to an empty house|wept at the funeral|never got an answer to the letter|had to say farewell to {p} teacher|lost all the photos of the family|waited for a call that never came|found {p} plants dead after the frost"), _w("I am sorry to hear that.|That must be hard.|I feel for you. Take your time.|It is all right to cry.|I wish I could give you a hug.|Such a loss hurts. Be gentle with yourself.|That is so sad. I am here to listen.|I hope that brighter days come soon.|Talking to a friend may help a little.|I understand the tears.|That is a heavy thing to carry.|How sad! Would you like to talk about it?")),
    "anger": Feeling(_w("angry furious mad cross outraged enraged livid irate"), "😠", _w("was pushed in the line|was called a bad name|had {p} bike stolen|was blamed for nothing|slammed the door and shouted|waited two hours for nothing|was lied to again|threw the book on the floor|was cheated in the game|had {p} lunch taken away|argued with the neighbor about the fence|found a scratch on {p} new car|was cut off in traffic|was insulted in front of everyone|yelled at the rude driver|got a bill for something {s} never bought|was hung up on three times|banged a fist on the table|was treated unfairly by the boss|caught the boys breaking the window|was interrupted again and again|found out that someone had copied {p} work|was ignored by the rude clerk|stamped {p} foot and screamed|had to clean up the mess of others|was tricked by the seller|was accused of stealing|saw a man kick a dog|paid for a room that did not exist|was told to shut up|had {p} idea stolen by a colleague|could not sleep because of the loud neighbors|was punished for what others did|was refused {p} money back|saw someone throw trash into the lake|was laughed at in the meeting|had an argument about the broken promise|was kept waiting on the phone all day|found {p} flowers trampled|demanded an apology with a red face"), _w("Please take a deep breath.|I understand why that made you angry.|That is not fair at all.|It is annoying when that happens.|Nobody should be treated like that.|Try to count to ten first.|You have a right to be upset.|I would be angry too.|Perhaps a calm talk would help.|Anger can be strong. I hope that it passes soon.|Let the anger cool before you answer.|A short walk may help to calm down.")),
    "fear": Feeling(_w("afraid scared frightened terrified nervous anxious worried panicked"), "😨", _w("heard a strange noise in the dark|saw a big spider on the pillow|hid under the bed|got lost in the forest at night|heard thunder right above the house|met a growling dog|saw a shadow at the window|stood on the shaking bridge|woke up from a nightmare|trembled at the edge of the cliff|heard footsteps in the empty house|was stuck in the dark elevator|was followed by a stranger|felt the ground shake|saw the shark's fin in the water|was chased by a bull|could not swim and the water was deep|had to speak in front of a thousand people|heard the wolf howl nearby|locked the door with shaking hands|saw smoke under the door|had to see the dentist about a bad tooth|was alone when the lights went out|held tight as the plane dropped|waited for the results of the blood test|screamed when the door creaked open|was lost in a foreign city without a phone|saw the car slide toward {o}|did not dare to look down|heard a voice in the cellar|walked past the old graveyard at midnight|froze when the snake moved|was caught in the storm at sea|ran from the swarm of bees|felt something touch {p} leg in the lake|hid from the burglar in the closet|thought that the ice would break|saw a ghostly face in the mirror|was trapped in the cave|lay awake and listened to every sound"), _w("Do not worry, you are safe.|That sounds scary.|Take a slow breath. It will pass.|Fear is normal. You are not alone.|I hope that everyone is safe now.|It is brave to talk about it.|Call a friend if it gets worse.|That would frighten me too.|Stay close to someone you trust.|I hope it is over now.|Things often look less scary in the morning.|Hold on to something warm and breathe.")),
    "surprise": Feeling(_w("surprised astonished amazed stunned startled speechless dumbfounded"), "😲", _w("found a coin from ancient Rome in the garden|never expected to see {p} old teacher there|opened the box and found it empty|heard that the twins were triplets|could not believe {p} eyes|saw snow in the middle of summer|found out that the neighbor was a prince|turned around and there stood {p} brother from far away|learned that the quiet boy was a champion|saw a deer walk into the shop|gasped when the magician vanished|got a letter that was forty years old|saw the cat open the door|did not expect the sudden guests|found a frog in {p} shoe|heard the parrot say {p} name|suddenly saw {p} own face on a poster|discovered a secret room behind the bookcase|got a call from a long lost uncle|stared with an open mouth at the flying car|found that the old map was real|walked into a room where everyone yelled surprise|saw the statue move|never thought that the tiny seed would grow so tall|woke up and found the whole street painted blue|learned that the soup was made of flowers|got a parcel without a sender|found out that {p} hat had been a gift from a king|saw the dog ride a skateboard|blinked twice when the bus turned into the river|heard that the last had become the first|saw two moons in the picture|found a message in a bottle|did not see that ending coming|learned that {p} house was three hundred years old|unexpectedly met {p} double in the street|saw an elephant in the parking lot|heard the baby say a whole sentence|found {p} lost key inside a fish|raised both eyebrows at the news"), _w("Wow, I did not expect that!|What a surprise!|Really? That is amazing.|Who would have thought that?|That is hard to believe!|How unexpected!|I can imagine the look on that face.|Life is full of surprises.|My goodness! What happened next?|That came out of nowhere.|Incredible! Tell me more.|Nobody could have guessed that.")),
    "disgust": Feeling(_w("disgusted revolted sickened grossed-out nauseated repelled"), "🤢", _w("found a hair in the soup|bit into a rotten apple|stepped in dog dirt|smelled the old garbage|found worms in the flour|saw maggots in the meat|drank sour milk|had to clean the filthy toilet|found a slimy thing in the sink|saw a rat in the kitchen|smelled the dirty socks|found chewing gum under the table with {p} fingers|touched the sticky handle|saw someone spit on the floor|opened a box of moldy bread|swallowed a fly|watched him pick his nose|found a cockroach in the salad|smelled rotten eggs|saw the greasy plates in the sink|put a hand into something slimy|was served raw liver|saw green mold on the cheese|gagged at the smell of the fish|found a dead mouse in the drawer|had to unclog the stinking drain|saw someone lick the spoon and put it back|found toenails on the sofa|smelled vomit in the bus|saw the dirty bandage in the pool|tasted the spoiled meat|wrinkled {p} nose at the stench|saw flies all over the cake|felt sick at the sight of the slime|found a used tissue in the bed|spat out the rancid butter|pulled a clump of hair from the drain|saw him chew with an open mouth|held {p} nose near the sewer|found a slug in the lettuce"), _w("Yuck! That is gross.|How disgusting!|Ugh, I would feel sick too.|That is really nasty.|I hope that it has been cleaned up.|Eww! Wash your hands well.|That would turn my stomach.|What an awful sight!|I would not want to touch that.|That sounds revolting.|Fresh air may help now.|Ugh! Nobody wants to see that.")),
    "love": Feeling(_w("loving affectionate devoted tender enamored smitten"), "❤️", _w("held the newborn baby close|kissed {p} grandmother good night|wrote a love letter|hugged the old dog tightly|said yes to the marriage proposal|could not stop thinking about that sweet smile|gave {p} wife a red rose|married {p} best friend|rocked the baby to sleep|adores {p} little sister|cherishes every day with {p} family|held hands under the stars|fell head over heels for the new neighbor|whispered sweet words|cuddled with the kitten on the sofa|gave {p} heart away|brought breakfast to {p} mother in bed|danced cheek to cheek at the wedding|promised to stay together forever|kept every letter from {p} sweetheart|blushed when that special person came in|treasures {p} grandfather's watch and thinks of him|kissed for the first time in the rain|would do anything for {p} children|knitted a scarf for {p} beloved|carried a picture of {p} sweetheart everywhere|sat by {p} father's bed and held his hand|wrote a poem for {p} darling|counted the days until {p} sweetheart came home|tucked the children in with a kiss|shared the last piece of cake with {p} love|carved two hearts into the tree|embraced {p} mother after the long journey|feels {p} heart beat faster near that person|sent a valentine card|held the puppy like a baby|looked tenderly at the sleeping child|fell in love at the dance|cares deeply for {p} old aunt|told {p} parents how dear they are"), _w("How sweet! That is true love.|Love is a wonderful thing.|That warms my heart.|What a tender moment!|That is so romantic.|Such love is a gift.|Take good care of each other.|How beautiful to love like that.|I can feel the affection in that.|That is very touching.|May that love last for many years.|What a loving heart!")),
    "pride": Feeling(_w("proud honored triumphant accomplished"), "🏅", _w("won the gold medal after years of training|finished the marathon at last|saw {p} name on the honor list|built the boat with {p} own hands|received a certificate in front of the school|wore {p} medal all day|showed everyone {p} first painting in the museum|passed the hardest exam with top marks|watched {p} daughter graduate|was praised by the mayor|was named player of the year|published {p} first book|saw {p} son win the contest|fixed the car without any help|climbed the highest mountain in the country|learned to read at the age of seventy|held up the trophy|got a standing ovation|was chosen as captain of the team|showed off {p} perfect report card|baked the prize-winning cake|stood tall on the stage with the award|taught {p} little brother to swim|saved a child and got a medal|beat {p} own record|was the first in the family to go to college|solved the puzzle that nobody else could solve|saw {p} own invention in a shop|gave a speech that everyone admired|built a successful company from nothing|finished the quilt after two years of work|was honored for fifty years of service|framed {p} diploma and hung it on the wall|led the team to the title|planted a forest tree by tree|mastered the hardest piece on the piano|repaired the old clock all alone|got the top grade for {p} project|carried the flag at the opening|kept the hard promise to the very end"), _w("Congratulations! That is a great achievement.|You can be proud of that.|What an accomplishment!|Well done! The hard work paid off.|That deserves a big round of applause.|Bravo! That is impressive.|Such success is well earned.|That is something to show the world.|Hats off! That took courage and work.|I am impressed. Well done!|What a proud moment!|Great work! That will never be forgotten.")),
    "boredom": Feeling(_w("bored uninterested listless weary restless"), "😐", _w("had nothing to do all day|yawned through the long speech|stared at the wall for an hour|counted the tiles on the ceiling|sat in the waiting room without a book|listened to the same story for the tenth time|watched the paint dry|scrolled through the phone without seeing anything|played the same game again and again with no interest|looked at the clock every minute|had to watch a slow film about stamps|drew circles during the endless meeting|found no one and nothing to play with|sighed and flipped through old magazines|waited for the rain to stop with nothing to read|nearly fell asleep in the lecture|kicked a stone up and down the street|did the same dull work all week|spun a pen for an hour|had read every book in the house already|twiddled {p} thumbs at the station|tapped {p} fingers on the desk and sighed|saw nothing but gray fields for six hours|heard nothing new at the conference|changed the channel again and again|sat through three hours of speeches|copied numbers into a table all day|leaned on the counter and waited for customers|asked ten times when it would be over|doodled in the notebook during class|lay on the sofa with no idea what to do|had to sort screws the whole afternoon|stood in line with nothing to look at|built towers of coins at the desk|wandered around the empty mall|could not find anything fun to do|gazed at the empty street|listened to the long list of rules|wished that something would happen|yawned and yawned on the long drive"), _w("Perhaps a new hobby would help.|That sounds dull. How about a walk?|Try a good book or a puzzle.|Boring days can be long.|Maybe a game with a friend would be fun.|How about learning something new?|I hope something exciting happens soon.|Slow days pass too.|A bit of music may help.|That does sound tedious.|What would make it more interesting?|Let us think of something fun to do.")),
    "calm": Feeling(_w("calm peaceful relaxed serene content unhurried"), "😌", _w("sat by the quiet lake|listened to the soft rain|breathed slowly and closed {p} eyes|drank tea by the window|lay in the hammock under the trees|watched the clouds drift by|took a long warm bath|walked slowly along the empty beach|sat by the fire with a blanket|listened to gentle music|watched the fish glide through the water|rested in the shade|meditated for half an hour|stroked the purring cat|watered the plants in silence|floated on {p} back in the still water|watched the sunset without a word|let all worries go|sat on the porch in the evening breeze|did some slow stretches|read quietly in the garden|slept deeply in the cool room|felt every muscle relax|watched the snow fall softly|lay in the grass and looked at the sky|listened to the waves|took a slow walk in the woods|had no hurry at all|sat still and listened to the birds|spent a quiet evening at home|had a cup of cocoa and went to bed early|rocked gently in the old chair|enjoyed the silence of the morning|fished from the little boat in peace|painted small leaves for an hour|folded the laundry and hummed softly|lit a candle and rested|swayed in the swing under the oak|counted {p} breaths until all was still|looked at the stars in silence"), _w("That sounds peaceful.|How relaxing!|Enjoy the quiet.|Moments like that do you good.|I can almost feel the calm.|Rest is important.|What a restful time!|It is good to slow down.|Peace of mind is a treasure.|That sounds like a perfect way to rest.|May the rest of the day be just as calm.|How lovely and quiet that must be.")),
}  # fmt: skip
EMOTIONS = tuple(FEELINGS)
SUBJECTS = (
    tuple(
        tuple(row.split())
        for row in _w("I I my me|I I my me|I I my me|I I my me|We we our us|They they their them|She she her her|He he his him")
    )
    + tuple(
        (name, "she", "her", "her")
        for name in _w(
            "My sister|My mother|Grandma|My aunt|Anna|Lily|Emma|The girl|Our teacher|The nurse|The queen|My daughter|Maria|Olga|My cousin Rosa|The old woman|Carla|The singer|Aunt Grace|Tina|My niece|Mrs. Green|The baker's wife|Nora|Zoe"
        )
    )
    + tuple(
        (name, "he", "his", "him")
        for name in _w(
            "My brother|My father|Grandpa|My uncle|Tom|Ben|David|The boy|Our neighbor|The sailor|The king|My son|Victor|Leo|My cousin Sam|The old man|Jack|The driver|Uncle Henry|Paul|My nephew|Mr. Brown|The farmer|Omar|Felix"
        )
    )
    + (
        ("The children", "they", "their", "them"),
        ("My friends", "they", "their", "them"),
        ("The twins", "they", "their", "them"),
        ("My parents", "they", "their", "them"),
    )
)
WHEN = _w(
    "|today|yesterday|this morning|last night|last week|on Sunday|this afternoon|on Monday|last summer|earlier today||||".rstrip("|")
    + "||||"
)
FELT_FRAMES = _w(
    "{S} {e}.|{S} {e}.|{S} {e}.|{S} {e} {w}.|{S} {e} {w}.|{W}, {s} {e}.|{S} {e}, and {s} felt {x}.|{S} {felt} {x} because {s} {e}.|Guess what: {s} {e}!|You will not believe it: {s} {e} {w}.|Something happened {w}: {s} {e}.|I want to tell you that {s} {e}.|{S} {felt} so {x} when {s} {e}.|I heard that {s} {e}.|It is true: {s} {e}.|{W} {s} {e}, just imagine.|{S} {am} {x}: {s} {e}.|{S} {e}. That is why {s} {felt} {x}.|{S} {am} feeling {x}, since {s} {e}.|{s} {e}"
)
PRESENT = ("adores ", "cherishes ", "treasures ", "feels ", "cares ")


@dataclass(frozen=True, slots=True)
class Felt:
    """A sentence about a feeling."""

    text: str
    emotion: str
    subject: tuple[str, ...]


def felt(random: Random) -> Felt:
    """Somebody's emotion, told by what happened or named."""
    emotion = random.choice(EMOTIONS)
    feeling = FEELINGS[emotion]
    subject = random.choice(SUBJECTS)
    name, pronoun, possessive, objective = subject
    event = random.choice(feeling.events).replace("{p}", possessive).replace("{o}", objective).replace("{s}", pronoun)
    when = random.choice(WHEN) or "today"
    many = pronoun in ("we", "they")
    if many:
        event = "were " + event[4:] if event.startswith("was ") else event
    frame = random.choice(FELT_FRAMES)
    if event.startswith(PRESENT):
        frame = random.choice(
            ("{S} {e}.", "I want to tell you that {s} {e}.", "It is true: {s} {e}.", "I heard that {s} {e}.", "{S} {am} {x}: {s} {e}.")
        )
        if pronoun in ("I", "we", "they"):
            verb, _, rest = event.partition(" ")
            event = f"{'cherish' if verb == 'cherishes' else verb[:-1]} {rest}"
    if name == "I":
        frame = frame.replace("I heard that", "The truth is that")
    word = random.choice(feeling.words)
    starts = (
        name
        if name.startswith(("Mr", "Uncle", "Aunt", "Grand"))
        or not name.startswith(("The ", "My ", "Our ", "We", "They", "She", "He"))
        or name in ("Victor",)
        else name[:1].lower() + name[1:]
    )
    lead = frame.find("{S}")
    own = starts if lead < 0 else pronoun
    am = "am" if name == "I" else "are" if many else "is"
    text = frame.format(S=name, s=own, e=event, w=when, W=_cap(when), x=word, felt="felt", am=am)
    return Felt(text, emotion, subject)


EMOTION_ASKS = _w(
    "{} Which emotion is it?|Name the emotion: {}|{}\nEmotion:|What feeling is shown here? {}|Label the emotion: {}|Which feeling does this show? {}|{}\nFeeling:|Give the emotion in one word: {}|Read this and name the feeling.\n{}|What is the emotion in this sentence? {}|Classify the emotion: {}|Text: {}\nEmotion:|Say which emotion this is: {}|How does the person feel? Name the emotion. {}|Emotion label for: {}|{} What emotion fits?"
)
EMOTION_SYSTEMS = _w(
    "Name the emotion.|Label the emotion.|Give the emotion in one word.|Which emotion is it? Choose joy, sadness, anger, fear, surprise, disgust, love, pride, boredom or calm.|You classify emotions: joy, sadness, anger, fear, surprise, disgust, love, pride, boredom, calm.|Answer with one emotion.|Tell which feeling the text shows.|Emotion of the text?|For each text, write the emotion.|Reply with the name of the emotion only."
)


def emotion(random: Random) -> list[Turn]:
    """A sentence and the name of its emotion."""
    shown = felt(random)
    if random.random() < 0.3:
        others = random.sample([name for name in EMOTIONS if name != shown.emotion], random.choice((1, 2, 3)))
        options = [*others, shown.emotion]
        random.shuffle(options)
        listed = ", ".join(options[:-1]) + f" or {options[-1]}"
        ask = random.choice(
            ["Is it {}?", "Choose one: {}.", "Which emotion is it: {}?", "Give the label: {}.", "Label it with {}."]
        ).format(listed)
        return _ask(random, shown.text, [f"{{}} {ask}", f"{ask}\n{{}}", f"{{}}\n{ask}"], [ask], shown.emotion)
    if random.random() < 0.1:
        ask = random.choice(["Which emoji shows the feeling?", "Show the emotion as one emoji.", "Give the emotion as an emoji."])
        return _ask(random, shown.text, [f"{ask} {{}}", f"{{}} {ask}"], [ask], FEELINGS[shown.emotion].emoji)
    return _ask(random, shown.text, EMOTION_ASKS, EMOTION_SYSTEMS, shown.emotion)


def emotion_plain(random: Random) -> list[Turn]:
    """A sentence about a feeling and a kind reply."""
    shown = felt(random)
    reply = random.choice(FEELINGS[shown.emotion].replies)
    if random.random() < 0.2:
        name = "You" if shown.subject[0] in ("I", "We") else shown.subject[0]
        name = "Your" + name[2:] if name.startswith("My ") else name
        seem = "seem" if shown.subject[1] in ("I", "we", "they") else "seems"
        word = random.choice([word for word in FEELINGS[shown.emotion].words if "-" not in word])
        reply = f"{name} must have felt {word}." if random.random() < 0.6 else f"{name} {seem} to be {word}. {reply}"
    elif shown.subject[0] not in ("I", "We"):
        for old, new in (
            ("you angry", "anyone angry"),
            ("You have a right", "Anyone has a right"),
            ("I am here to listen", "I feel for everyone there"),
        ):
            reply = reply.replace(old, new)
        if re.search(r"\byour?\b", reply, re.IGNORECASE):
            reply = random.choice([other for other in FEELINGS[shown.emotion].replies if not re.search(r"\byour?\b", other, re.IGNORECASE)])
    return [("user", shown.text), ("assistant", reply)]


COMMANDS = tuple(
    tuple(row.split("/"))
    for row in _w(
        "Give me/the salt,the book,your pen,a glass of water,some bread,that cup,the newspaper,a map,your number,a moment|Open/the window,the door,the box,this jar,the gate,your bag|Close/the door,the window,the curtain,the lid|Bring me/a chair,the menu,the bill,some tea,a towel,a blanket,my coat,two spoons|Tell me/the time,the way to the station,your name,what happened,the price,a story|Show me/the way,your ticket,the garden,that picture,another room,a cheaper one|Help me with/this bag,the dishes,my homework,the heavy table,the computer|Turn off/the light,the music,the heating,the engine|Turn on/the lamp,the radio,the oven|Wait/here,outside,for me,a minute,until five|Send me/the letter,the report,a copy,your address,the photos|Pass me/the butter,the ball,the scissors,the pepper|Call/a doctor,a taxi,my mother,the office|Clean/the table,your room,the kitchen,these shoes|Carry/this suitcase,the box,my bag upstairs|Lend me/your umbrella,ten dollars,a pencil|Speak/more slowly,a little louder,to the manager|Check/the oil,my work,the list again|Wake me/at seven,before breakfast|Feed/the cat,the fish,the chickens|Move/your car,this chair,to the left|Explain/the rules,this word,the plan|Write/your name here,a short note,it down|Take/a seat,off your shoes,this letter to the post office|Stop/the noise,the car,here|Buy/some milk,two tickets,a stamp"
    )
)
POLITE = _w(
    "Could you please {c}?|Would you please {c}?|Would you be so kind as to {c}?|Please {c}.|May I ask you to {c}?|Would you mind helping me? Please {c}.|Could you {c}, please?|I would be grateful if you could {c}.|If it is not too much trouble, could you {c}?"
)
POLITE_ASKS = _w(
    "Make this polite: {}|Say this politely: {}|Turn this into a polite request: {}|How can I say this more politely? {}|Rewrite it politely: {}|{} Make it friendlier.|Be more polite: {}|{}\nSay it in a polite way."
)
TRIVIA = tuple(
    tuple(row.split("/"))
    for row in _w(
        "The soup/hot|The train/late|The garden/full of flowers|My room/clean|The baby/asleep|The water/cold|Our team/ready|The cake/ready|The shop/open|The road/empty|The cat/on the roof|The test/easy|The bag/heavy|My brother/a pilot|Anna/at home|The museum/closed|The sky/blue|Dinner/ready|The old bridge/safe|The new teacher/kind|The river/deep|The bus/full|His answer/right|The story/true|The puppy/hungry|Her dress/green|The window/open|The party/over|The city/quiet|The moon/bright|The holiday/over|The letter/from Paris|The tea/too hot|The floor/wet|The house/for sale"
    )
)
HEADLINES = tuple(
    tuple(row.split("/"))
    for row in _w(
        "opened/opens|closed/closes|won the cup/wins cup|lost the final/loses final|found a rare bird/finds rare bird|saved a little dog/saves little dog|planted a hundred trees/plants hundred trees|broke an old record/breaks old record|celebrated a birthday/celebrates birthday|started a new school/starts new school|wrote a famous book/writes famous book|built a tiny house/builds tiny house|returned after ten years/returns after ten years|stopped the big fire/stops big fire|discovered an old map/discovers old map|visited the town/visits town|gave away free bread/gives away free bread|sold a painting/sells painting|sang for the sick children/sings for sick children|rescued three cats/rescues three cats"
    )
)
ACTORS = _w(
    "a new bakery|a local teacher|a young painter|an old sailor|a small school|the mayor|a brave nurse|the town library|a group of students|a famous singer|the city museum|a farmer|a quiet baker|the zoo|a young team|an old actor|a kind doctor|the fire brigade|a girl of twelve|a retired driver"
)
SWAPS = tuple(
    tuple(row.split("/"))
    for row in _w(
        "Hi, how are you?/Good day. How do you do?|I want to buy the {t}./I would like to purchase the {t}.|Sorry, I can't come to the {t}./I regret that I am unable to attend the {t}.|Thanks for the {t}!/I thank you most sincerely for the {t}.|I like this {t} a lot./I hold this {t} in high regard.|This {t} is really bad./This {t} is of rather poor quality.|I don't like the {t}./I do not care for the {t}.|Can you tell me about the {t}?/Could you kindly inform me about the {t}?|The {t} was great!/The {t} was truly excellent.|Let's talk about the {t}./I suggest that we discuss the {t}.|I need help with the {t}./I require assistance with the {t}.|The {t} is too pricey./The {t} is regrettably rather expensive.|I guess the {t} is okay./I believe that the {t} is acceptable.|Tell me what you think of the {t}./I should be glad to hear your opinion of the {t}.|I'm mad about the {t}./I am displeased with the {t}.|See you later!/I look forward to seeing you again.|Come in and sit down./Please enter and take a seat.|What's up with the {t}?/May I ask what the matter is with the {t}?|Bye!/I bid you farewell.|I think the {t} is boring./In my opinion, the {t} is tedious.|We can't find the {t}./We are unable to locate the {t}.|Wait a bit./Kindly wait for a moment.|You're wrong about the {t}./I am afraid that you are mistaken about the {t}.|Get back to me soon./I look forward to your early reply."
    )
)
LONG_FORMS = _w(
    "I have to say that, to be honest, the {t} was really very {a}.|If you ask me, and you did ask, the {t} was in every way {a}.|After thinking about it for a long time, I must say that the {t} was {a}.|It is perhaps not a surprise to anyone, but the {t} was, all in all, {a}.|Well, what can I say, the {t} that we tried last week was {a}.|As far as I can tell, and many people agree with me, the {t} was {a}."
)
STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "excited": _w("Make it excited: {}|Say it with excitement: {}|Rewrite this in an excited way: {}|{} Sound excited!|Make this sound enthusiastic: {}"),
    "sad": _w("Make it sound sad: {}|Say it in a sad way: {}|Rewrite this sadly: {}|{} Sound sad."),
    "short": _w("Make it short: {}|Shorten this: {}|Say it in a few words: {}|{}\nShorter, please.|Cut this down: {}"),
    "question": _w("Make it a question: {}|Turn this into a question: {}|Ask it as a question: {}|{} Now as a question."),
    "past": _w("Put this into the past tense: {}|Say it in the past: {}|Past tense: {}|{} Change it to the past tense.|Rewrite this in the past tense: {}"),
    "emoji": _w("Add a fitting emoji at the end: {}|Put an emoji at the end: {}|{} Add an emoji.|End this with an emoji: {}"),
    "headline": _w("Make it a headline: {}|Write a headline for this: {}|Turn this into a headline: {}|{} Headline?|Headline for: {}"),
    "capitals": _w("Write this in capital letters: {}|Use capital letters: {}|Put this in upper case: {}|SHOUT this: {}|All capitals, please: {}|{} Now in capital letters."),
    "formal": _w("Make it formal: {}|Say this formally: {}|Rewrite this in formal English: {}|More formal, please: {}|{} How would you say this in a formal letter?"),
}  # fmt: skip
SMALL_WORDS = frozenset(_w("a an the of in for on at to with from by and after"))


def _low(subject: str) -> str:
    """A subject inside a sentence."""
    return subject if subject.startswith("Anna") else subject[:1].lower() + subject[1:]


def _simple(random: Random, good: bool | None = None) -> tuple[str, str]:
    """A subject and what it is."""
    if random.random() < 0.4:
        row = random.choice(TRIVIA)
        return row[0], row[1]
    if good is None:
        good = random.random() < 0.5
    name = random.choice(DOMAIN_NAMES)
    thing = "The " + random.choice(DOMAINS[name].things)
    return thing, random.choice(_long(name, good) + STRONG[good])


def _styled(kind: str, random: Random) -> tuple[str, str]:
    """A plain sentence and the same in a style."""
    subject, rest = _simple(random, {"excited": True, "sad": False}.get(kind))
    plain = f"{subject} is {rest}."
    if kind == "excited":
        form = random.choice(
            ["Wow, {s} is {r}! I can hardly believe it!", "Oh wow, {s} is {r}!", "Look at that! {S} is {r}!", "Guess what! {S} is {r}!"]
        )
        return plain, form.format(s=_low(subject), S=subject, r=rest)
    if kind == "sad":
        return plain, random.choice(
            [
                "Sadly, {s} is {r}.",
                "Alas, {s} is {r}.",
                "It makes me sad that {s} is {r}.",
                "I could cry: {s} is {r}.",
                "Oh dear, {s} is {r}, and my heart is heavy.",
            ]
        ).format(s=_low(subject), r=rest)
    if kind == "short":
        good = random.random() < 0.5
        name = random.choice(DOMAIN_NAMES)
        thing, word = random.choice(DOMAINS[name].things), random.choice(_long(name, good))
        return random.choice(LONG_FORMS).format(t=thing, a=word), f"The {thing} was {word}."
    if kind == "question":
        return plain, f"Is {_low(subject)} {rest}?"
    if kind == "past":
        return plain, f"{subject} was {rest}."
    if kind == "emoji":
        if random.random() < 0.5:
            shown = felt(random)
            return _end(shown.text), f"{_end(shown.text)} {FEELINGS[shown.emotion].emoji}"
        shown_review = review(random, full=True)
        return shown_review.text, f"{shown_review.text} {'👍' if shown_review.good else '👎'}"
    if kind == "headline":
        actor, (before, after) = random.choice(ACTORS), random.choice(HEADLINES)
        when = random.choice(["yesterday", "last week", "on Monday", "today"])
        bare = re.sub(r"^(a|an|the) ", "", actor)
        words = f"{bare} {after}".split()
        title = " ".join([_cap(word) if index == 0 or word not in SMALL_WORDS else word for index, word in enumerate(words)])
        return f"{_cap(actor)} {before} {when}.", title
    if kind == "capitals":
        source = random.choice((plain, _end(felt(random).text), review(random, full=True).text))
        return source, source.upper()
    before, after = random.choice(SWAPS)
    thing = random.choice(DOMAINS[random.choice(("film", "stage", "book", "product", "lesson", "trip"))].things[:10])
    return before.format(t=thing), after.format(t=thing)


def style(random: Random) -> list[Turn]:
    """A sentence rewritten as asked."""
    if random.random() < 0.2:
        verb, things = random.choice(COMMANDS)
        command = f"{verb} {random.choice(things.split(','))}"
        answer = random.choice(POLITE).format(c=command[:1].lower() + command[1:])
        if random.random() < 0.2:
            system = random.choice(
                ["Say everything the user writes as a polite request.", "Make each sentence polite.", "Turn commands into polite requests."]
            )
            return [("system", system), ("user", f"{command}."), ("assistant", answer)]
        mark = random.choice([".", ".", "!"])
        return [("user", random.choice(POLITE_ASKS).replace("{}", command + mark)), ("assistant", answer)]
    kind = random.choice(tuple(STYLE_WORDS))
    source, answer = _styled(kind, random)
    ask = random.choice(STYLE_WORDS[kind])
    if random.random() < 0.2:
        system = (
            ask.replace("{}", "")
            .replace("this:", "what the user writes.")
            .strip(" :\n")
            .replace("Make it", "Make the sentence")
            .replace("Headline for", "Write a headline for what the user writes")
            .replace("Say it", "Say the sentence")
        )
        return [("system", _end(system)), ("user", source), ("assistant", answer)]
    return [("user", ask.replace("{}", source)), ("assistant", answer)]


LIKES = tuple(
    tuple(row.split("/"))
    for row in _w(
        "swimming/the water makes me feel light/the water is too cold for me|winter/the snow makes everything quiet/the days are too short|summer/the evenings are long and warm/the heat makes me tired|coffee/the smell wakes me up/it is too bitter for me|tea/it warms me and calms me/it tastes of nothing to me|chess/every game is a new puzzle/it takes too long|football/it is exciting to the last minute/there is too much shouting|jazz/it always surprises me/I can never follow the tune|opera/the voices give me goose bumps/I never understand the words|poetry/a few words can say so much/it never comes to the point|horror films/I love the thrill/I cannot sleep afterwards|comedies/laughing does me good/the jokes are always the same|museums/I always learn something/my feet get tired|big cities/there is always something to see/they are loud and crowded|the countryside/it is green and peaceful/nothing ever happens there|cats/they are soft and proud/they scratch my chairs|dogs/they are loyal and playful/they bark too much|cooking/I can try new things/the washing up takes ages|gardening/it is lovely to see things grow/my back hurts afterwards|camping/we sleep under the stars/the ground is hard and damp|flying/the world looks so small from above/my ears hurt every time|mathematics/everything has its order/I get lost in the numbers|history/the old stories are full of life/there are too many dates|spicy food/it wakes up my tongue/it burns my mouth|chocolate/it makes every day a little better/it is too sweet for me|fish/it tastes of the sea/it has too many bones|cheese/every kind tastes different/the smell puts me off|mornings/everything is fresh and quiet/I am always tired then|parties/I meet new people there/they are too loud for me|rain/the sound of it is soothing/my shoes are always wet|the sea/the waves calm me down/the wind is too strong there|the mountains/the view is worth every step/the paths are too steep for me|board games/we laugh so much together/they always end in a fight|video games/I can be a hero in them/they hurt my eyes|running/my head is clear afterwards/I am out of breath at once|cycling/I can go wherever I like/the traffic scares me|dancing/my feet forget their worries/I always step on toes|old films/they take their time/they are too slow for me|long novels/I can live in another world for weeks/I forget who is who|trains/I can look out of the window for hours/they are always late|shopping/I enjoy looking at new things/the shops are too full|painting/the colors make me happy/I can never draw a straight line|the circus/it is full of wonders/I feel sorry for the animals|roller coasters/I love the speed/they make me sick|mushrooms/they taste of the forest/they feel slimy|onions/they make every soup better/they make me cry"
    )
)
PEOPLE = tuple(
    tuple(row.split())
    for row in _w(
        "Anna she|Ben he|Carla she|David he|Emma she|Frank he|Grace she|Henry he|Iris she|Jack he|Kate she|Leo he|Maria she|Nick he|Olga she|Paul he|Rosa she|Sam he|Tina she|Victor he|Nora she|Omar he|Lily she|Max he|Mia she|Noah he"
    )
)
LOVE_WORDS = _w("I love {x}|I really like {x}|I enjoy {x}|I am very fond of {x}|I am a big fan of {x}|I adore {x}")
HATE_WORDS = _w("I hate {x}|I do not like {x}|I cannot stand {x}|I am not fond of {x}|I dislike {x}|I am no fan of {x}")
LIKED_BECAUSE = _w(
    "That is a lovely reason.|I understand that well.|That makes sense to me.|Then you should do more of it.|How nice! It is good to have something one enjoys.|I can see why you like it."
)
HATED_BECAUSE = _w(
    "That is a fair reason.|I understand that well.|That makes sense to me.|Then you should not force yourself.|How annoying! One cannot like everything.|I can see why you do not like it."
)


def _they(text: str, pronoun: str) -> str:
    """A reason told by a person, told about that person."""
    possessive, objective = ("her", "her") if pronoun == "she" else ("his", "him")
    for verb, changed in (
        ("love", "loves"),
        ("meet", "meets"),
        ("learn", "learns"),
        ("enjoy", "enjoys"),
        ("feel", "feels"),
        ("step", "steps"),
        ("forget", "forgets"),
        ("get", "gets"),
        ("understand", "understands"),
        ("am", "is"),
        ("always learn", "always learns"),
        ("always step", "always steps"),
        ("never understand", "never understands"),
    ):
        text = re.sub(rf"\bI {verb}\b", f"{pronoun} {changed}", text)
    text = re.sub(r"\bI\b", pronoun, text)
    text = re.sub(r"\bmy\b", possessive, text)
    return re.sub(r"\bme\b", objective, text)


def _is_plural(topic: str) -> bool:
    return topic.endswith("s") and topic not in ("chess", "mathematics", "the circus")


def opinion_talk(random: Random) -> list[Turn]:
    """A short talk about likes and dislikes."""
    if random.random() < 0.4:
        return _thing_talk(random)
    topic, liked, hated = random.choice(LIKES)
    good = random.random() < 0.5
    start = random.choice(LOVE_WORDS if good else HATE_WORDS).format(x=topic)
    reason = liked if good else hated
    own = f"{_cap(random.choice(['because ', 'Well, ', '']))}{reason}."
    thanks = random.choice(LIKED_BECAUSE if good else HATED_BECAUSE)
    be = "are" if _is_plural(topic) else "is"
    draw = random.random()
    if draw < 0.4:
        ask = random.choice(
            [f"Why do you like {topic}?", f"What do you like about {topic}?", f"Oh, {topic}! Why?"]
            if good
            else [f"Why do you not like {topic}?", f"What do you dislike about {topic}?", f"Oh, {topic}! Why not?"]
        )
        return [("user", f"{start}."), ("assistant", ask), ("user", _cap(own)), ("assistant", thanks)]
    if draw < 0.6:
        turns = [("user", f"{start}, because {reason}."), ("assistant", thanks)]
        if random.random() < 0.5:
            recall = random.choice(
                [f"Do I like {topic}?", f"What did I say about {topic}?", f"Am I a fan of {topic}?", f"Would {topic} make me happy?"]
            )
            if recall.startswith("What"):
                answer = f"You said that you {'like' if good else 'do not like'} {topic}."
            elif recall.startswith("Would"):
                answer = f"{'Yes' if good else 'No'}, you said that you {'like' if good else 'do not like'} {topic}."
            elif recall.startswith("Am"):
                answer = f"{'Yes, you are' if good else 'No, you are not'}."
            else:
                answer = f"{'Yes, you do' if good else 'No, you do not'}."
            turns += [("user", recall), ("assistant", answer)]
        return turns
    if draw < 0.8:
        ask = random.choice(
            [f"Do you like {topic}?", f"What do you think of {topic}?", f"What is your opinion of {topic}?", f"Are you a fan of {topic}?"]
        )
        reply = random.choice(
            [
                f'Many people like {topic}. They say: "{_cap(liked)}." Others say: "{_cap(hated)}."',
                f"I am a computer, but I know that people often have strong feelings about {topic}.",
                f"Some people love {topic} and others do not. What about you?",
            ]
        )
        turns = [("user", ask), ("assistant", reply)]
        if reply.endswith("you?"):
            turns += [
                ("user", f"{start}."),
                (
                    "assistant",
                    random.choice(
                        [
                            "Good to know! Thank you for telling me.",
                            f"So {topic} {be} {'' if good else 'not '}for you. I see.",
                            "Thank you, now I know you a little better.",
                        ]
                    ),
                ),
            ]
        return turns
    return _prefer(topic, liked, random)


def _prefer(topic: str, liked: str, random: Random) -> list[Turn]:
    """Which of two is better?"""
    other = random.choice([row[0] for row in LIKES if row[0] != topic])
    be = "are" if _is_plural(topic) else "is"
    ask = random.choice(
        [
            f"What do you prefer, {topic} or {other}?",
            f"{_cap(topic)} or {other}, what is better?",
            f"Is {topic} better than {other}?" if be == "is" else f"Are {topic} better than {other}?",
        ]
    )
    reply = random.choice(
        [
            "That is a matter of taste.",
            "Both have their friends. Which do you prefer?",
            "Everyone sees that differently. What do you think?",
        ]
    )
    turns = [("user", ask), ("assistant", reply)]
    if reply.endswith("?"):
        turns += [
            ("user", random.choice([f"I prefer {topic}, because {liked}.", f"For me, {topic}: {liked}."])),
            ("assistant", random.choice(["A good choice!", "That is a lovely reason.", f"Then {topic} it is!", "I can understand that."])),
        ]
    return turns


def _thing_talk(random: Random) -> list[Turn]:
    """A talk about something that was tried."""
    good = random.random() < 0.5
    voice = _voice(random, good)
    thing = voice.thing
    article_of = f"{article(thing)} {thing}"
    body = _end(voice.say(random.choice(CLAUSES[:34])))
    if random.random() < 0.5:
        body += " " + _end(voice.say(random.choice(CLAUSES)))
    close = _reply(good, thing, body, random)
    known = f"the {thing}" if thing in body.lower() else "it"
    draw = random.random()
    if draw < 0.35:
        close = _reply(good, thing, thing, random)
        opening, ask = random.choice(
            [
                (f"I tried {article_of} yesterday.", "How was it?"),
                (f"Let me tell you about the {thing}.", "I am all ears. Did you like it?"),
                (f"I have an opinion about the {thing}.", "Please tell me what you think."),
                (f"Can I tell you what I think of the {thing}?", "Of course! Go ahead."),
            ]
        )
        if voice.name == "weather":
            opening = f"Let me tell you about the {thing}."
        return [("user", opening), ("assistant", ask), ("user", body), ("assistant", close)]
    if draw < 0.6:
        back = random.choice(["Was there anything you did not like?" if good else "Was there anything you liked?"])
        but = voice.say("the [S] [was] [-B]")
        answer = random.choice([f"Yes, {but}.", "No, nothing at all."])
        tail = (
            f"I see. Still, you seem to {'like' if good else 'dislike'} {known} as a whole."
            if answer.startswith("Yes")
            else f"Then you really {'loved' if good else 'disliked'} {known}."
        )
        return [("user", body), ("assistant", back), ("user", answer), ("assistant", tail)]
    if draw < 0.8:
        ask, yes, no = random.choice(
            [
                ("Would I choose it again?", "I think so, because you liked it.", "I do not think so, because you did not like it."),
                ("Did I like it?", "Yes, you did.", "No, you did not."),
                ("So, am I happy with it?", "Yes, you sound happy with it.", "No, you sound unhappy with it."),
            ]
        )
        return [("user", body), ("assistant", close), ("user", ask), ("assistant", yes if good else no)]
    person, pronoun = random.choice(PEOPLE)
    other = Voice(random, voice.name, thing, not good)
    second = _end(other.say(random.choice(CLAUSES[:9])))
    if random.random() < 0.5:
        return [
            ("user", f"I say: {body} {person} says: {second} Do we agree?"),
            (
                "assistant",
                random.choice(
                    [
                        f"No, you {'like' if good else 'dislike'} {known}, but {person} {'does not' if good else 'likes it'}.",
                        f"No. You are {'pleased' if good else 'not pleased'} with it, and {pronoun} {'is not' if good else 'is'}.",
                    ]
                ),
            ),
        ]
    return [
        ("user", f"{body} But {person} says: {second} Who is right?"),
        (
            "assistant",
            random.choice(
                [
                    f"Tastes differ: you {'like' if good else 'dislike'} {known} and {person} {'does not' if good else 'likes it'}.",
                    "Both can be right. It is a matter of taste.",
                ]
            ),
        ),
    ]


def opinions(random: Random) -> str:
    """Somebody likes or dislikes something and says why; or two people disagree."""
    (name, pronoun), (second, second_pronoun) = random.sample(PEOPLE, 2)
    draw = random.random()
    if draw < 0.45:
        topic, liked, hated = random.choice(LIKES)
        good = random.random() < 0.5
        likes = random.choice(["loves", "likes", "enjoys", "is very fond of", "adores"])
        hates = random.choice(["dislikes", "hates", "does not like", "cannot stand", "is not fond of"])
        first = f"{name} {likes if good else hates} {topic}, because {_they(liked if good else hated, pronoun)}."
        if draw < 0.15:
            last = random.choice(
                [
                    f'"{_cap(liked if good else hated)}," {pronoun} says.',
                    f"Ask {'her' if pronoun == 'she' else 'him'} and you will hear it every time.",
                    f"Not everybody agrees, but {name} does not mind.",
                    f"That is why {name} {'talks about it with a smile' if good else 'stays away whenever possible'}.",
                ]
            )
            return f"{first} {last}" if not last.startswith('"') else f"{name} {likes if good else hates} {topic}. {last}"
        other = f"{second} {hates if good else likes} {topic}, because {_they(hated if good else liked, second_pronoun)}."
        end = random.choice(
            [
                "They will never agree, but they are still friends.",
                "So they talk about other things.",
                f'"Tastes differ," says {name}.',
                f'"You are wrong," says {second}, and both of them laugh.',
                "Both have good reasons.",
                "It is good that people are different.",
                "Each can understand the other a little.",
            ]
        )
        return f"{first} {other} {end}"
    good = random.random() < 0.5
    voice = _voice(random, good)
    other_voice = Voice(random, voice.name, voice.thing, not good)
    here = _end(voice.say(random.choice(CLAUSES)), "").rstrip(".!")
    there = _end(other_voice.say(random.choice(CLAUSES)), "").rstrip(".!")
    like, not_like = ("liked", "did not like") if good else ("did not like", "liked")
    if draw < 0.75:
        talk = f'"{here}," said {name}. "{random.choice(["I disagree", "I cannot agree with you", "I see that differently", "Not at all", "Oh no"])}," said {second}. "{there}."'
        end = random.choice(
            [
                f"{name} {like} the {voice.thing}, and {second} {not_like if good else 'liked it'}{' it' if good else ''}.",
                f"So {name} {like} it and {second} {'did not' if good else 'did'}.",
                "They talked about it for a long time.",
                "In the end they agreed to disagree.",
            ]
        )
        start = random.choice(
            [f"{name} and {second} talked about the {voice.thing}. ", f"{name} and {second} do not agree about the {voice.thing}. ", ""]
        )
        return f"{start}{talk} {end}"
    more = _end(voice.say(random.choice(CLAUSES[:34])))
    return f'{name} {like} the {voice.thing}. "{here}," {pronoun} said. "{more}" ' + random.choice(
        [
            f"{second} had to agree.",
            f"{second} listened and nodded.",
            f"{'Her' if pronoun == 'she' else 'His'} friends had heard it before.",
            f"{second} wanted to know more.",
        ]
    )


def review_text(random: Random) -> str:
    """A review of two to six sentences."""
    good = random.random() < 0.5
    voice = _voice(random, good)
    if random.random() < 0.25:
        lines = [
            voice.say(random.choice(DOUBTS)),
            *[voice.say(pattern) for pattern in random.sample(CLAUSES, random.randint(1, 3))],
            voice.say(random.choice(VERDICTS)),
        ]
    else:
        lines = [voice.say(pattern) for pattern in random.sample(CLAUSES, random.randint(2, 4))]
        if random.random() < 0.5:
            lines.insert(0, _opener(voice))
        if random.random() < 0.4:
            lines.append(voice.say(random.choice(ONE_SIDED[good])))
        if random.random() < 0.4:
            lines.append(voice.say(random.choice(VERDICTS)))
    return " ".join([_end(line) for line in lines[:6]])


TEXTS: dict[str, Callable[[Random], str]] = {"review": review_text, "opinions": opinions}
TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "sentiment": sentiment,
    "sentiment_plain": sentiment_plain,
    "sentiment_why": sentiment_why,
    "emotion": emotion,
    "emotion_plain": emotion_plain,
    "rewrite_opposite": rewrite_opposite,
    "write_review": write_review,
    "recommend": recommend,
    "more_positive": more_positive,
    "star_rating": star_rating,
    "style": style,
    "opinion_talk": opinion_talk,
}
EXACT: frozenset[str] = frozenset({"sentiment", "emotion", "more_positive"})
