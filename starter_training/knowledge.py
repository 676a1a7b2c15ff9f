"""What the starter knows of the real world: plain texts and conversations put together from the tables.

Every fact is an item of a relation; the relation knows how one asks for it and how the plain sentence reads.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from starter_training import knowledge_tables as tables
from starter_training.conversations import Turn
from starter_training.facts import DAYS, MONTHS, all_facts


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact: {x} is what it is about, {n} its bare name, {y} what holds for it."""

    name: str
    wordings: tuple[str, ...]
    answer: str
    check: str = ""
    """A question that is true only for the one right {y}; empty where several could be right."""
    noun: str = ""
    """What two things can be compared by."""
    it: tuple[str, ...] = ()
    """How the fact reads in a paragraph that has named its subject already."""
    clue: str = ""
    choose: bool = False
    """Whether the other values of the relation are surely wrong."""


@dataclass(frozen=True, slots=True)
class Item:
    """One fact, with all its forms."""

    relation: Relation
    topic: str
    name: str
    x: str
    y: str
    questions: tuple[str, ...]
    answer: str
    word: str
    emoji: str
    its: tuple[str, ...]
    clue: str
    k: str


@dataclass(frozen=True, slots=True)
class Entity:
    """Something to write a paragraph about."""

    topic: str
    x: str
    many: str
    intros: tuple[str, ...]
    items: tuple[Item, ...]


def _rel(
    name: str, wordings: str, answer: str, check: str = "", noun: str = "", it: str = "", clue: str = "", choose: bool = False
) -> Relation:
    return Relation(
        name, tuple(wordings.split("|")), answer, check, noun, tuple(part for part in it.split("|") if part), clue, choose or bool(check)
    )


_WHICH = (
    "Which {k} {y}?|What {k} {y}?|Do you know which {k} {y}?|Can you tell me which {k} {y}?|Tell me which {k} {y}.|Name the {k} that {y}."
)
_USED = "What is used to {y}?|What do people use to {y}?|Which thing is used to {y}?|Name a thing that is used to {y}.|What can one use to {y}?|What helps people to {y}?"
_SPECIAL = "What is special about {x}?|Tell me something special about {x}.|Say one interesting thing about {x}.|What is interesting about {x}?|Tell me one fact about {x}.|Give me a fact about {x}."
_USE = "What is {x} used for?|What is {x} for?|What do people use {x} for?|What is the use of {x}?|Why do people need {x}?|What can one do with {x}?"

RELATIONS = {
    relation.name: relation
    for relation in [
        _rel("capital", "What is the capital of {x}?|Which city is the capital of {x}?|Name the capital of {x}.|What is the capital city of {x}?|Tell me the capital of {x}.|Can you tell me the capital of {x}?|Do you know the capital of {x}?",
             "the capital of {x} is {y}.", "Is {y} the capital of {x}?", "capital", "Its capital is {y}.|The capital is {y}.|Its capital city is called {y}.", "My capital is {y}."),
        _rel("capital_of", "{n} is the capital of which country?|Of which country is {n} the capital?|Which country has the capital {n}?|What country is {n} the capital of?|Which country's capital is {n}?|Tell me which country has {n} as its capital.",
             "the capital of {y} is {n}.", choose=True),
        _rel("continent", "On which continent is {x}?|Which continent is {x} in?|In which part of the world is {x}?|What continent does {x} lie in?|Where is {x}?|Where in the world is {x}?|Tell me the continent of {x}.",
             "{x} is in {y}.", "Is {x} in {y}?", "continent", "", "I lie in {y}."),
        _rel("language", "What language do people speak in {x}?|Which language is spoken in {x}?|What is the main language of {x}?|Tell me the language of {x}.|What do people speak in {x}?|Which language do most people in {x} speak?",
             "the main language of {x} is {y}.", "Is {y} the main language of {x}?", "main language", "The main language is {y}.|Most people there speak {y}.|People there speak {y}.", "My people speak {y}."),
        _rel("famous", "What is {x} famous for?|What is {x} known for?|What do people know {x} for?|Tell me what {x} is famous for.|Why is {x} famous?|For what is {x} known?",
             "{x} is famous for {y}.", "", "", "It is famous for {y}.|It is known for {y}.|Many people know it for {y}.", "I am famous for {y}."),
        _rel("city", "In which country is {x}?|Which country is {x} in?|What country is the city of {x} in?|Where is {x}?|Tell me where {x} is.|To which country does {x} belong?",
             "{x} is in {y}.", "Is {x} in {y}?", "country"),
        _rel("where_flows", "Where does {x} flow?|Where is {x}?|In which part of the world does {x} flow?|Tell me where {x} flows.|Where can one see {x}?|Where would I find {x}?",
             "{x} flows in {y}.", "", "place"),
        _rel("where_mountain", "Where is {x}?|Where can one see {x}?|Tell me where {x} is.|In which place is {x}?|Where would I find {x}?|Do you know where {x} is?", "{x} is in {y}.", "", "place"),
        _rel("where_mountains", "Where are {x}?|Where can one see {x}?|Tell me where {x} are.|In which place are {x}?|Where would I find {x}?|Do you know where {x} are?", "{x} are in {y}.", "", "place"),
        _rel("landmark_city", "Where is {x}?|In which city is {x}?|Which city has {x}?|Tell me where {x} is.|In what city can one see {x}?|Where can one visit {x}?",
             "{x} is in {y}.", "Is {x} in {y}?", "place", "It is in {y}.|People can visit it in {y}."),
        _rel("landmark_country", "In which country is {x}?|Which country is {x} in?|Which country has {x}?|In what country can one see {x}?|To which country must one travel to see {x}?|What country is {x} in?",
             "{x} is in {y}.", "", "country"),
        _rel("what", "What is {x}?|Can you tell me what {x} is?|Do you know what {x} is?|Tell me what {x} is.|Explain what {x} is.|I would like to know what {x} is.", "{x} is {y}."),
        _rel("fact", _SPECIAL, "{x} {y}.", it="It {y}."),
        _rel("kind", "What kind of animal is {x}?|Which kind of animal is {x}?|What type of animal is {x}?|To which group of animals does {x} belong?|What group of animals does {x} belong to?|Tell me what kind of animal {x} is.|What animal group is {x} in?",
             "{x} is {y}.", "Is {x} {y}?", "kind of animal", "", "I am {y}."),
        _rel("color", "What color is {x}?|Which color does {x} have?|Tell me the color of {x}.|What is the color of {x}?|What color does {x} have?|What does {x} look like in color?|What colour is {x}?",
             "{x} is {y}.", "", "color", "", "I am {y}."),
        _rel("home", "Where does {x} live?|Where can I find {x}?|What is the home of {x}?|Where is {x} at home?|Tell me where {x} lives.|In what place does {x} live?|Where would one look for {x}?",
             "{x} lives {y}.", "", "home", "It lives {y}.|It is at home {y}.|Its home is {y}.", "I live {y}."),
        _rel("food", "What does {x} eat?|What food does {x} like?|What can I give {x} to eat?|What is the food of {x}?|What does {x} feed on?|Tell me what {x} eats.|What do you feed {x}?",
             "{x} eats {y}.", "", "food", "It eats {y}.|It likes to eat {y}.|It feeds on {y}.", "I eat {y}."),
        _rel("sound", "What does {x} say?|What sound does {x} make?|How does {x} sound?|What noise does {x} make?|Which sound comes from {x}?|Tell me what {x} says.",
             "{x} says {y}.", "Does {x} say {y}?", "sound", "It says {y}.|Its sound is {y}.", "I say {y}."),
        _rel("young", "What is a young {n} called?|What is a baby {n} called?|What do you call a young {n}?|How do people call a young {n}?|What is the name for a young {n}?|Which word is used for a baby {n}?|What is the young of {x} called?",
             "a young {n} is {y}.", "Is a young {n} called {y}?", "young", "A young {n} is called {y}.|Its young is called {y}."),
        _rel("young_of", "What is {x}?|What kind of animal is {x}?|Which animal is called {x} when it is young?|Which animal has a young called {x}?|What does {x} grow into?|Tell me what {x} is.|Explain what {x} is.", "{x} is a young {y}.", choose=True),
        _rel("legs", "How many legs does {x} have?|What number of legs does {x} have?|How many legs has {x} got?|Tell me how many legs {x} has.|Count the legs of {x}.|On how many legs does {x} walk?",
             "{x} has {y} legs.", "Does {x} have {y} legs?", "number of legs", "It has {y} legs.", "I have {y} legs."),
        _rel("fly", "Can {x} fly?|Is {x} able to fly?|Do you think that {x} can fly?|Tell me if {x} can fly.|Could {x} fly?|Is it true that {x} can fly?", "{y}, {x} {can} fly.", it="It {can} fly.", clue="I {can} fly."),
        _rel("swim", "Can {x} swim?|Is {x} able to swim?|Do you think that {x} can swim?|Tell me if {x} can swim.|Could {x} swim?|Is it true that {x} can swim?", "{y}, {x} {can} swim.", it="It {can} swim.", clue="I {can} swim."),
        _rel("produce", "What is {x}?|What kind of food is {x}?|Is {x} a fruit or a vegetable?|To which kind of food does {x} belong?|Tell me what {x} is.|What type of food is {x}?", "{x} is a {y}.", "Is {x} a {y}?", "kind"),
        _rel("taste", "How does {x} taste?|What is the taste of {x}?|What taste does {x} have?|Tell me how {x} tastes.|Which taste does {x} have?|What does {x} taste like?", "{x} tastes {y}.", "", "taste", "It tastes {y}.|Its taste is {y}.", "I taste {y}."),
        _rel("grows", "Where does {x} grow?|Where do people find {x} growing?|Tell me where {x} grows.|How does {x} grow?|In what place does {x} grow?|Do you know where {x} grows?", "{x} grows {y}.", "", "place to grow", "It grows {y}.|One finds it {y}.", "I grow {y}."),
        _rel("makes", "What can one make from {x}?|What do people make from {x}?|What can I make with {x}?|In the kitchen, what can one make from {x}?|Tell me what one can make from {x}.|Which food is made from {x}?", "people make {y} from {x}.", it="People make {y} from it.|One can make {y} from it."),
        _rel("made_from", "What is {x} made from?|What is {x} made of?|What do people make {x} from?|What does one need to make {x}?|Tell me what {x} is made from.|From what is {x} made?", "{x} is made from {y}.", "", "", "It is made from {y}.|People make it from {y}."),
        _rel("flower", "What color are the flowers of {x}?|What colour are the flowers of {x}?|Tell me the color of the flowers of {x}.|Which color do the flowers of {x} have?|What is the flower color of {x}?|In what color does {x} bloom?", "the flowers of {x} are often {y}.", "", "color of the flowers", "Its flowers are often {y}.|It often has {y} flowers."),
        _rel("plant", "What kind of plant is {x}?|Which kind of plant is {x}?|What type of plant is {x}?|Tell me what kind of plant {x} is.|To which kind of plants does {x} belong?|What sort of plant is {x}?", "{x} is {y}.", "", "kind of plant"),
        _rel("which", _WHICH, "{x} {y}.", choose=True),
        _rel("use", _USE, "{x} is used to {y}.", "", "use", "It is used to {y}.|People use it to {y}.", "You use me to {y}."),
        _rel("used", _USED, "{x} is used to {y}."),
        _rel("made_of", "What is {x} made of?|Which material is {x} made of?|Tell me what {x} is made of.|From which material do people make {x}?|What material is used for {x}?|What are things like {x} made of?", "{x} is usually made of {y}.", "", "material", "It is usually made of {y}.|Most often it is made of {y}.", "I am usually made of {y}."),
        _rel("room", "Where does one keep {x}?|In which room do people keep {x}?|Which room is the place for {x}?|Where in the house do you look for {x}?|In which part of the house would I find {x}?|Tell me where in the house one finds {x}.", "one finds {x} in the {y}.", "", "place in the house", "One finds it in the {y}.|Its place is the {y}.", "You find me in the {y}."),
        _rel("does", "What does {x} do?|What is the job of {x}?|What is the work of {x}?|Tell me what {x} does.|Do you know what {x} does?|What does {x} do at work?", "{x} {y}.", "", "work"),
        _rel("who_does", "Who {y}?|What do you call someone who {y}?|Which person {y}?|What is the name for a person who {y}?|Who is the person who {y}?|Whose job is it: a person who {y}?", "{x} {y}.", choose=True),
        _rel("tool", "What does {x} use at work?|Which tool does {x} use?|What does {x} need for work?|Tell me a tool of {x}.|Name something that {x} uses.|What does {x} work with?", "{x} uses {y}.", "", "tool", "For this work, {x} uses {y}.|{x} often uses {y}.", "I use {y}."),
        _rel("workplace", "Where does {x} work?|What is the workplace of {x}?|In what place does {x} work?|Where can one meet {x} at work?|Tell me where {x} works.|Where would I find {x} at work?", "{x} works {y}.", "", "workplace", "{x} works {y}.|One often finds {x} {y}.", "I work {y}."),
        _rel("moves", "Where does {x} move?|Where does {x} travel?|Where can one see {x} moving?|Tell me where {x} moves.|Does {x} move on land, on water or in the air?|In what surroundings does {x} move?", "{x} moves {y}.", "", "way of moving", "It moves {y}.|It travels {y}.", "I move {y}."),
        _rel("wheels", "How many wheels does {x} have?|What number of wheels does {x} have?|Count the wheels of {x}.|Tell me how many wheels {x} has.|On how many wheels does {x} roll?|How many wheels has {x} got?", "{x} has {y}.", "Does {x} have {y}?", "number of wheels", "It has {y}.|It rolls on {y}.", "I have {y}."),
        _rel("body", "What do our {n} help us to do?|What are our {n} for?|What do we use our {n} for?|Why do we have {n}?|What can we do with our {n}?|Tell me what our {n} are for.", "our {n} help us to {y}.", it="They help us to {y}."),
        _rel("body_one", "What does our {n} help us to do?|What is our {n} for?|What do we use our {n} for?|Why do we have a {n}?|What can we do with our {n}?|Tell me what our {n} is for.", "our {n} helps us to {y}.", it="It helps us to {y}."),
        _rel("body_part", "Which part of the body helps us to {y}?|What do we need to {y}?|Which body part do we use to {y}?|With what part of the body do we {y}?|Name the part of the body that helps us to {y}.|What part of our body is there to {y}?", "our {x} to {y}."),
        _rel("worn", "Where does one wear {x}?|Where do people wear {x}?|On which part of the body does one wear {x}?|Tell me where one wears {x}.|Where does {x} belong?|Where do you put {x} on?", "one wears {x} {y}.", "", "place on the body", "One wears it {y}.|It is worn {y}."),
        _rel("wear_why", "Why do people wear {x}?|What is {x} for?|Why does one put on {x}?|What do people wear {x} for?|Tell me why people wear {x}.|When does one need {x}?", "people wear {x} {y}.", "", "use", "People wear it {y}.|One puts it on {y}."),
        _rel("instrument", "What kind of instrument is {x}?|Which kind of instrument is {x}?|To which family of instruments does {x} belong?|What type of instrument is {x}?|Tell me what kind of instrument {x} is.|What sort of instrument is {x}?", "{x} is {y}.", "", "kind of instrument"),
        _rel("play", "How do you play {x}?|How is {x} played?|How does one play {x}?|Tell me how people play {x}.|How does one make music with {x}?|What does one do to play {x}?", "one plays {x} by {y}.", "", "way of playing", "One plays it by {y}."),
        _rel("players", "How many players does a {n} team have in the game?|How many players are on the field in a {n} team?|How many people play in a {n} team?|What number of players does a {n} team have?|Tell me how many players a {n} team has.|With how many players does a {n} team play?", "a {n} team has {y} players in the game.", "Does a {n} team have {y} players in the game?", "team size", "A team has {y} players in the game."),
        _rel("need", "What does one need for {n}?|What do you need for {n}?|Which things are needed for {n}?|Tell me what one needs for {n}.|What must I bring to play or do {n}?|What is needed for {n}?", "for {n} one needs {y}.", "", "equipment", "One needs {y}.|For this one needs {y}."),
        _rel("goal", "What is the goal of {n}?|What is the aim of {n}?|What does one try to do in {n}?|How does one do well in {n}?|Tell me the goal of {n}.|What is {n} about?", "the goal of {n} is to {y}.", "", "goal", "The goal is to {y}.|One tries to {y}."),
        _rel("nth", "Which planet is the {n} from the sun?|What is the {n} planet from the sun?|Name the {n} planet from the sun.|Which planet comes {n} when one starts from the sun?|Tell me the {n} planet from the sun.|Counted from the sun, which planet is the {n}?", "{y} is the {n} planet from the sun.", "Is {y} the {n} planet from the sun?"),
        _rel("material", "Where does {x} come from?|What is {x} made from?|From what do people get {x}?|Tell me where {x} comes from.|What do people make {x} from?|What does one need to get {x}?", "{x} comes from {y}.", "", "source", "It comes from {y}.|People get it from {y}."),
        _rel("material_use", "What do people make from {x}?|What is {x} used for?|What can one make from {x}?|Tell me what is made from {x}.|What is made of {x}?|Which things are made from {x}?", "people make {y} from {x}.", "", "use", "People make {y} from it.|It is used for {y}."),
        _rel("subject", "What does one learn in {x}?|What do children learn in {x}?|What is {x} about?|Tell me what one learns in {x}.|What is taught in {x}?|Which things are part of {x}?", "in {x} one learns about {y}.", "", "topic"),
        _rel("subject_of", "In which subject does one learn about {y}?|Which school subject is about {y}?|What subject teaches us about {y}?|Name the subject that is about {y}.|Where in school does one learn about {y}?|What subject do I need to learn about {y}?", "in {x} one learns about {y}.", choose=True),
        _rel("holiday", "When is {x}?|When do people celebrate {x}?|At what time of the year is {x}?|Tell me when {x} is.|When does {x} take place?|Do you know when {x} is?", "{x} is {y}.", "", "date", "It is {y}."),
        _rel("holiday_do", "What do people do on {x}?|How do people celebrate {x}?|What happens on {x}?|Tell me what people do on {x}.|What is usual on {x}?|What do many people do on {x}?", "on {x} many people {y}.", "", "custom", "On this day many people {y}."),
        _rel("family", "What do you call your {n}?|Who is your {n}?|What is your {n} called in the family?|Which word do you use for your {n}?|What is your {n} to you?|Tell me the word for your {n}.|What is the name for a {n}?", "your {n} is your {y}.", "Is your {n} your {y}?"),
        _rel("feel_when", "When do people feel {n}?|When does one feel {n}?|What makes people {n}?|When are people {n}?|Tell me when people feel {n}.|In what moments do people feel {n}?", "people feel {n} when {y}."),
        _rel("feel", "How do people feel when {y}?|What do people feel like when {y}?|Which feeling do people have when {y}?|How does it make people feel when {y}?|Tell me how people feel when {y}.|In what mood are people when {y}?", "people feel {x} when {y}."),
        _rel("sides", "How many sides does {x} have?|What number of sides does {x} have?|Count the sides of {x}.|Tell me how many sides {x} has.|How many corners does {x} have and how many sides?|How many edges does {x} have?", "{x} has {y} sides.", "Does {x} have {y} sides?", "number of sides"),
        _rel("mix", "What color do {n} make?|What do you get when you mix {n}?|Which color comes from {n}?|What happens when I mix {n}?|I mix {n}. What color do I get?|Mix {n}. Which color is it?|What color is a mix of {n}?", "{n} make {y}.", "Do {n} make {y}?"),
        _rel("unit", "How many {k} are in {x}?|How many {k} does {x} have?|What number of {k} is in {x}?|Tell me how many {k} {x} has.|{x} has how many {k}?|How many {k} make up {x}?", "{x} has {y} {k}.", "Does {x} have {y} {k}?"),
        _rel("season", "What is {x} like?|What happens in {x}?|What is special about {x}?|Tell me what {x} is like.|What does {x} bring?|How is nature in {x}?", "in {x} {y}.", "", "look"),
        _rel("after", "Which {k} comes after {x}?|What {k} follows {x}?|After {x}, which {k} comes?|Which {k} comes next after {x}?|Tell me the {k} after {x}.|What comes after {x}?|Name the {k} that follows {x}.", "{y} comes after {x}.", "Does {y} come right after {x}?"),
        _rel("before", "Which {k} comes before {x}?|What {k} is before {x}?|Before {x}, which {k} comes?|Which {k} is right before {x}?|Tell me the {k} before {x}.|What comes before {x}?|Name the {k} that comes before {x}.", "{y} comes before {x}.", "Does {y} come right before {x}?"),
        _rel("month_days", "How many days does {x} have?|How many days are in {x}?|How long is {x} in days?|Tell me how many days {x} has.|What number of days does {x} have?|{x} has how many days?", "{x} has {y} days.", "Does {x} have {y} days?", "number of days"),
        _rel("month_nth", "Which month is the {n} month of the year?|What is the {n} month of the year?|Name the {n} month.|Tell me the {n} month of the year.|Which month has the {n} place in the year?|Count the months. Which is the {n}?", "{y} is the {n} month of the year.", "Is {y} the {n} month of the year?"),
        _rel("measure", "What does {x} measure?|What does one measure with {x}?|What can {x} tell us?|What does {x} show?|Tell me what {x} measures.|For measuring what do people use {x}?", "{x} measures {y}.", "Does {x} measure {y}?"),
        _rel("measured", "What does one use to measure {n}?|Which thing measures {n}?|With what do people measure {n}?|How does one measure {n}?|Name a thing that measures {n}.|What do I need to measure {n}?", "{y} measures {n}.", choose=True),
        _rel("opposite", "What is the opposite of {n}?|Tell me the opposite of {n}.|What is the reverse of {n}?|Which word is the opposite of {n}?|Give me the opposite of {n}.|Name the opposite of {n}.|What word means the opposite of {n}?", "the opposite of {n} is {y}.", "Is {y} the opposite of {n}?"),
        _rel("more", "What is the comparative of {n}?|How do you say that something is more {n}?|Give me the comparative form of {n}.|What form of {n} is used with than?|Tell me the comparative of {n}.|Which word is the comparative of {n}?", "the comparative of {n} is {y}.", "Is {y} the comparative of {n}?"),
        _rel("most", "What is the superlative of {n}?|How do you say that something is most {n}?|Give me the superlative form of {n}.|What is the highest form of {n}?|Tell me the superlative of {n}.|Which word is the superlative of {n}?", "the superlative of {n} is {y}.", "Is {y} the superlative of {n}?"),
        _rel("plural", "What is the plural of {n}?|What do you call more than one {n}?|Give me the plural of {n}.|How do you say {n} in the plural?|Tell me the plural form of {n}.|Which word is the plural of {n}?|One {n}, two what?", "the plural of {n} is {y}.", "Is {y} the plural of {n}?"),
        _rel("past", "What is the past tense of {n}?|What is the past of {n}?|Give me the past tense of {n}.|How do you say {n} in the past?|Tell me the past form of {n}.|Today I {n}. What is it for yesterday?", "the past tense of {n} is {y}.", "Is {y} the past tense of {n}?"),
        _rel("person", "Who was {x}?|Who was the famous {x}?|Tell me who {x} was.|Can you tell me who {x} was?|Why do people remember {x}?|Do you know who {x} was?", "{x} was {y}."),
        _rel("deed", "What did {x} do?|What is {x} famous for?|What is {x} known for?|Why is {x} famous?|Tell me what {x} did.|What do people remember {x} for?", "{x} {y}.", it="{he} {y}."),
        _rel("who", "Who {y}?|Do you know who {y}?|Can you tell me who {y}?|Tell me who {y}.|Which person {y}?|Which famous person {y}?|I want to know who {y}.", "{x} {y}.", choose=True),
        _rel("inventor", "Who invented {x}?|Do you know who invented {x}?|Who was the inventor of {x}?|Tell me who invented {x}.|Which person invented {x}?|Who had the idea for {x}?|Name the inventor of {x}.", "{y} invented {x}.", "Did {y} invent {x}?", "inventor"),
        _rel("invented", "When was {x} invented?|In which year was {x} invented?|How old is the invention of {x}?|Tell me when {x} was invented.|At what time was {x} invented?|Do you know when {x} was invented?", "{x} was invented {y}.", "", "date of invention"),
        _rel("inventeds", "When were {x} invented?|In which year were {x} invented?|How old is the invention of {x}?|Tell me when {x} were invented.|At what time were {x} invented?|Do you know when {x} were invented?", "{x} were invented {y}.", "", "date of invention"),
        _rel("year", "When did {n}?|In which year did {n}?|In what year did {n}?|Tell me: when did {n}?|History question: when did {n}?|In which year of history did {n}?", "{x}", choose=True),
        _rel("noun", "What is {x}?|What does the word {n} mean?|What does {n} mean?|Define {n}.|Define the word {n}.|Explain the word {n}.|Can you explain what {x} is?|Tell me what {x} is.|What do people mean by {n}?|What is meant by the word {n}?", "{x} is {y}."),
        _rel("named", "What do you call {y}?|What is the word for {y}?|Which word means {y}?|How do people call {y}?|What is the name for {y}?|Give me the word for {y}.|Find the word: {y}.", "{x} is {y}.", choose=True),
        _rel("verb", "What does it mean to {n}?|What does to {n} mean?|Define the verb to {n}.|Explain the verb to {n}.|What do you do when you {n}?|What is meant by to {n}?|Tell me what it means to {n}.", "to {n} means to {y}."),
        _rel("verb_named", "Which word means to {y}?|Which verb means to {y}?|What is the word for this: to {y}?|Find the verb: to {y}.|Give me a verb that means to {y}.|What is another way to say to {y}?", "to {x} means to {y}.", choose=True),
        _rel("adjective", "What does {n} mean?|What does the word {n} mean?|Define {n}.|Define the word {n}.|Explain the word {n}.|What do people mean by {n}?|What is meant by the word {n}?|What does it mean to be {n}?", "{n} means {y}."),
        _rel("adjective_named", "Which word means {y}?|What is the word for {y}?|Find the word: {y}.|Give me a word that means {y}.|Which adjective means {y}?|What is another way to say {y}?", "{x} means {y}.", choose=True),
        _rel("why", "", "{y}"),
    ]
}  # fmt: skip

_NUMBERS = {"0": "no", "1": "one", "2": "two", "3": "three", "4": "four", "6": "six", "8": "eight", "10": "ten"}
_ORDER = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
_MASS = set(
    "garlic broccoli lettuce asparagus cauliflower corn rice wheat rye barley mint basil parsley rosemary lavender ivy moss bamboo cotton seaweed clover holly heather cabbage".split()
) | {"sugar cane"}
_LOWER = {"The", "A", "An", "Our", "Your", "In", "On", "For", "People", "One", "To", "Red", "Blue", "Black", "Its", "It", "No", "Yes"}


def rows(text: str) -> list[list[str]]:
    """A table's rows, split into fields."""
    return [line.split("|") for line in text.splitlines()]


def a_(noun: str) -> str:
    """A noun with a or an, or alone where it cannot be counted."""
    if noun in _MASS:
        return noun
    vowel = noun[0] in "aeiouAEIOU" and not noun.startswith(("uni", "eu", "us", "one"))
    return f"{'an' if vowel else 'a'} {noun}"


def upper(text: str) -> str:
    """The text with a capital first letter."""
    return text[0].upper() + text[1:]


def lower(item: Item) -> str:
    """An item's sentence as it goes on after a comma."""
    sentence = item.answer
    common = sentence.split(" ", 1)[0] in _LOWER or (item.x[0].islower() and sentence[1:].startswith(item.x[1:]))
    return sentence[0].lower() + sentence[1:] if common else sentence


def joined(words: Sequence[str], last: str = "and") -> str:
    """Words in a row: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def bare(text: str) -> str:
    """The words without a preposition or an article in front."""
    words = text.split()
    while len(words) > 1 and words[0].lower() in ("a", "an", "the", "in", "on", "by", "at", "to", "under", "from"):
        words = words[1:]
    return " ".join(words)


def _item(relation: str, topic: str, name: str, y: str, x: str = "", word: str = "", emoji: str = "-", **more: str) -> Item:
    known = RELATIONS[relation]
    fields = {"x": x or name, "n": name, "y": y, **more}
    questions = tuple(upper(wording.format(**fields)) for wording in known.wordings if wording)
    its = tuple(upper(text.format(**fields)).replace("..", ".") for text in known.it)
    answer, clue = upper(known.answer.format(**fields)).replace("..", "."), known.clue.format(**fields).replace(" its ", " my ")
    return Item(
        known, topic, name, x or name, y, questions, answer, word or bare(y), "" if emoji == "-" else emoji, its, clue, more.get("k", "")
    )


_COMMON_YOUNG = {
    "kid",
    "cub",
    "calf",
    "pup",
    "kit",
    "chick",
    "foal",
    "joey",
    "infant",
    "larva",
    "nymph",
    "caterpillar",
    "fry",
    "hatchling",
    "maggot",
    "tadpole",
    "fawn",
    "piglet",
    "kitten",
}
_UNIQUE_ANIMALS = set(
    "elephant giraffe cheetah blue_whale ostrich chameleon hummingbird falcon cuckoo camel skunk wombat bat peacock flamingo firefly polar_bear".replace(
        "_", "-"
    ).split()
)
_VAGUE_PLACES = {
    "the Rhine",
    "the Mekong",
    "the Niger",
    "the Mississippi",
    "the Ganges",
    "the Matterhorn",
    "Table Mountain",
    "the Atlas Mountains",
}
_UNIQUE_PLANTS = {
    "redwood",
    "bamboo",
    "oak",
    "baobab",
    "eucalyptus",
    "cotton",
    "sugar cane",
    "grapevine",
    "dandelion",
    "apple tree",
    "wheat",
}
_VAGUE_DEEDS = (
    "painted many",
    "wrote many",
    "wrote more",
    "painted water",
    "wrote a famous book",
    "studied black",
    "led French",
    "made great",
    "made hospitals",
    "played a",
    "taught people",
    "cared",
    "built a huge",
    "mapped",
    "refused",
    "explored",
)
_PLURAL_INVENTIONS = {"X-ray photos", "windshield wipers", "blue jeans with rivets"}
_ONE_BODY = {"nose", "tongue", "skin", "brain", "heart", "stomach", "neck", "voice box"}
_MOVES = {"land": "on land", "water": "on water", "the air": "in the air", "space": "in space", "snow": "on snow"}


def _countries() -> Iterator[Item]:
    for name, capital, continent, language, flag, famous in rows(tables.COUNTRIES):
        yield _item("capital", "country", name, capital, word=capital, emoji=flag)
        yield _item("capital_of", "capital", capital, name, word=name, emoji=flag)
        if continent != "-":
            yield _item("continent", "country", name, continent, emoji=flag)
        if language != "-":
            yield _item("language", "country", name, language, emoji=flag)
        yield _item("famous", "country", name, famous, emoji=flag)


def _places() -> Iterator[Item]:
    for name, country, famous in rows(tables.CITIES):
        yield _item("city", "city", name, country, word=country)
        yield _item("famous", "city", name, famous)
    for name, where, fact in rows(tables.RIVERS):
        yield _item("where_flows", "river", name, where)
        yield _item("fact", "river", name, fact)
        if name not in _VAGUE_PLACES:
            yield _item("which", "river", name, fact, k="river", word=bare(name))
    for name, where, fact in rows(tables.MOUNTAINS):
        many = fact.split()[0] in ("are", "run", "lie")
        yield _item("where_mountains" if many else "where_mountain", "mountain", name, where)
        if name not in _VAGUE_PLACES and not many:
            yield _item("which", "mountain", name, fact, k="mountain", word=name)
        if not many:
            yield _item("fact", "mountain", name, fact)
    for name, fact in rows(tables.WATERS):
        yield _item("fact", "water", name, fact)
        yield _item(
            "which",
            "water",
            name,
            fact,
            k="ocean" if "Ocean" in name else "lake" if "Lake" in name or "lake" in fact else "sea",
            word=bare(name),
        )
    for name, place, country, what in rows(tables.LANDMARKS):
        yield _item("what", "landmark", name, what)
        if place not in (country, "England", "Arizona"):
            yield _item("landmark_city", "landmark", name, place, word=place)
        yield _item("landmark_country", "landmark", name, country, word=country)


def _animals() -> Iterator[Item]:
    for name, kind, color, _, home, food, sound, young, legs, fly, swim, emoji, special in rows(tables.ANIMALS):
        x = a_(name)
        if kind != name:
            yield _item("kind", "animal", name, a_(kind), x, emoji=emoji)
        for relation, value in (("color", color), ("home", home), ("food", food), ("sound", sound)):
            if value != "-":
                yield _item(relation, "animal", name, value, x, emoji=emoji)
        if young != "-":
            yield _item("young", "animal", name, a_(young), x, emoji=emoji)
            if young not in _COMMON_YOUNG:
                yield _item("young_of", "young animal", young, name, a_(young), emoji=emoji)
        if legs != "-":
            yield _item("legs", "animal", name, _NUMBERS[legs], x, "zero" if legs == "0" else "", emoji)
        yield from _abilities(name, fly if kind in ("bird", "insect") or name == "bat" else "-", swim, emoji)
        yield _item("fact", "animal", name, special, x, emoji=emoji)
        if name.replace(" ", "-") in _UNIQUE_ANIMALS:
            yield _item("which", "animal", name, special, x, emoji=emoji, k="animal", word=name)


def _abilities(name: str, fly: str, swim: str, emoji: str) -> Iterator[Item]:
    for relation, value in (("fly", fly), ("swim", swim)):
        if value != "-":
            yes = value == "y"
            yield _item(
                relation, "animal", name, "Yes" if yes else "No", a_(name), "yes" if yes else "no", emoji, can="can" if yes else "cannot"
            )


def _nature() -> Iterator[Item]:
    fruits = {
        "tomato",
        "cucumber",
        "pumpkin",
        "zucchini",
        "eggplant",
        "bell pepper",
        "chili pepper",
        "pea",
        "bean",
        "olive",
        "avocado",
        "coconut",
        "raisin",
        "peanut",
    }
    for name, kind, color, taste, grows, makes, emoji in rows(tables.PRODUCE):
        x = a_(name)
        if name not in fruits and kind in ("fruit", "vegetable"):
            yield _item("produce", "produce", name, kind, x, emoji=emoji)
        for relation, value in (("color", color), ("taste", taste), ("grows", grows)):
            yield _item(relation, "produce", name, value, x, emoji=emoji)
        yield _item("makes", "produce", name, makes, name if name in _MASS else _plural(name), emoji=emoji)
    for name, what, taste, made, emoji in rows(tables.FOODS):
        yield _item("what", "dish", name, what, emoji=emoji)
        yield _item("taste", "dish", name, taste, emoji=emoji)
        yield _item("made_from", "dish", name, made, emoji=emoji)
    for name, kind, color, where, fact in rows(tables.PLANTS):
        x = a_(name)
        yield _item("plant", "plant", name, a_(kind), x)
        yield _item("grows", "plant", name, where, x)
        yield _item("fact", "plant", name, fact, x)
        if kind in ("flower", "shrub") and name != "holly":
            yield _item("flower", "plant", name, color, x)
        if name in _UNIQUE_PLANTS:
            yield _item("which", "plant", name, fact, x, k="plant", word=name)


def _things() -> Iterator[Item]:
    for name, use, made, room, emoji in rows(tables.OBJECTS):
        x = a_(name)
        yield _item("use", "object", name, use, x, emoji=emoji)
        yield _item("used", "object", name, use, x, emoji=emoji, word=name)
        yield _item("made_of", "object", name, made, x, emoji=emoji)
        yield _item("room", "object", name, room, x, emoji=emoji)
    for name, use, emoji in rows(tables.TOOLS):
        yield _item("use", "tool", name, use, a_(name), emoji=emoji)
        yield _item("used", "tool", name, use, a_(name), emoji=emoji, word=name)
    for name, moves, use, wheels, emoji in rows(tables.VEHICLES):
        x = a_(name)
        yield _item("moves", "vehicle", name, "under water" if name == "submarine" else _MOVES[moves], x, emoji=emoji)
        yield _item("use", "vehicle", name, use, x, emoji=emoji)
        yield _item("used", "vehicle", name, use, x, emoji=emoji, word=name)
        if wheels != "-":
            yield _item(
                "wheels", "vehicle", name, f"{_NUMBERS[wheels]} wheel{'s' * (wheels != '1')}", x, emoji=emoji, word=_NUMBERS[wheels]
            )
    for name, where, why, emoji in rows(tables.CLOTHES):
        yield _item("worn", "clothing", name, where, a_(name), emoji=emoji)
        yield _item("wear_why", "clothing", name, why, a_(name), emoji=emoji)
    for name, kind, play, emoji in rows(tables.INSTRUMENTS):
        yield _item("instrument", "instrument", name, a_(kind), a_(name), emoji=emoji)
        yield _item("play", "instrument", name, play, a_(name), emoji=emoji)
    yield from _sports()
    for name, source, use in rows(tables.MATERIALS):
        yield _item("material", "material", name, source)
        yield _item("material_use", "material", name, use)


def _sports() -> Iterator[Item]:
    for name, players, need, goal, emoji in rows(tables.SPORTS):
        if players != "-":
            yield _item("players", "sport", name, players, emoji=emoji)
        yield _item("need", "sport", name, need, emoji=emoji)
        yield _item("goal", "sport", name, goal, emoji=emoji)


def _people() -> Iterator[Item]:
    for name, does, tool, place, emoji in rows(tables.JOBS):
        x = a_(name)
        yield _item("does", "job", name, does, x, emoji=emoji)
        yield _item("who_does", "job", name, does, x, emoji=emoji, word=name)
        yield _item("tool", "job", name, tool, x, emoji=emoji)
        yield _item("workplace", "job", name, place, x, emoji=emoji)
    for name, what, deed, he in rows(tables.PEOPLE):
        yield _item("person", "person", name, f"{a_(what)} who {deed}", word=what)
        yield _item("deed", "person", name, deed, he=he)
        if not deed.startswith(_VAGUE_DEEDS):
            yield _item("who", "person", name, deed, word=name)
    for name, inventor, when in rows(tables.INVENTIONS):
        yield _item("inventor", "invention", name, inventor, word=inventor)
        yield _item("inventeds" if name in _PLURAL_INVENTIONS else "invented", "invention", name, when)
    for event, when, sentence in rows(tables.HISTORY):
        yield _item("year", "history", event, sentence, sentence, word=when)
    for name, word in rows(tables.FAMILY):
        yield _item("family", "family", name, word)
    for name, when, emoji in rows(tables.FEELINGS):
        yield _item("feel_when", "feeling", name, when, emoji=emoji)
        yield _item("feel", "feeling", name, when, emoji=emoji, word=name)


def _school() -> Iterator[Item]:
    for name, nth, kind, fact, emoji in rows(tables.PLANETS):
        yield _item("nth", "space", nth, name, emoji=emoji)
        yield _item("what", "planet", name, kind, emoji=emoji)
        yield _item("fact", "planet", name, fact, emoji=emoji)
        yield _item("which", "planet", name, fact, emoji=emoji, k="planet", word=name)
    for name, about in rows(tables.SUBJECTS):
        yield _item("subject", "subject", name, about)
        yield _item("subject_of", "subject", name, about, word=name)
    for name, when, do, emoji in rows(tables.HOLIDAYS):
        yield _item("holiday", "holiday", name, when, emoji=emoji)
        yield _item("holiday_do", "holiday", name, do, emoji=emoji)
    for name, sides in rows(tables.SHAPES):
        yield _item("sides", "shape", name, sides, a_(name))
    for name, color in rows(tables.MIXES):
        yield _item("mix", "mixing", name, color)
    for name, number, what in rows(tables.UNITS):
        yield _item("unit", "unit", name, number, k=what)
    for name, measures in rows(tables.MEASURES):
        yield _item("measure", "measure", name, measures, a_(name))
        yield _item("measured", "measuring", measures, a_(name))
    yield from _grammar()


def _grammar() -> Iterator[Item]:
    for relation, topic, text in (
        ("opposite", "opposite", tables.OPPOSITES),
        ("plural", "plural", tables.PLURALS),
        ("past", "past tense", tables.PASTS),
    ):
        for name, other in rows(text):
            yield _item(relation, topic, name, other)
    for name, more, most in rows(tables.DEGREES):
        yield _item("more", "degree", name, more)
        yield _item("most", "degree", name, most)


def _time() -> Iterator[Item]:
    seasons = [row[0] for row in rows(tables.SEASONS)]
    letters = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for name, like, _, emoji in rows(tables.SEASONS):
        yield _item("season", "season", name, like, emoji=emoji)
    for names, kind, ring in ((seasons, "season", True), (DAYS, "day", True), (MONTHS, "month", True), (letters, "letter", False)):
        for before, after in zip(names if ring else names[:-1], names[1:] + names[:ring], strict=True):
            yield _item("after", kind, before, after, word=after, k=kind)
            yield _item("before", kind, after, before, word=before, k=kind)
    for name, nth in zip(MONTHS, _ORDER, strict=True):
        yield _item("month_nth", "month", nth, name)
        if name != "February":
            yield _item("month_days", "month", name, "30" if name in ("April", "June", "September", "November") else "31")


def _genus(meaning: str) -> str:
    """The few words that name the kind of thing in a definition."""
    stops = set(
        "that who where with in of for when from to such like under on made which at between about next right as all so what close by into over told".split()
    )
    kept = []
    for word in bare(meaning).split():
        if word in ("and", "or") or word.endswith(","):
            return meaning
        if word in stops:
            break
        kept.append(word)
    vague = ("something", "being", "what", "how", "everything", "very", "lot", "one", "part", "amount", "piece", "things", "words", "time")
    return " ".join(kept) if kept and kept[0] not in vague else meaning


def _words() -> Iterator[Item]:
    verbs, adjectives = rows(tables.VERBS), rows(tables.ADJECTIVES)
    both = {name for name, _ in verbs + adjectives}
    for x, meaning in rows(tables.NOUNS):
        name = x.split(" ", 1)[1] if x.startswith(("a ", "an ", "the ")) else x
        yield _item("noun", "noun", name, meaning, x, word=_genus(meaning))
        yield _item("named", "noun", name, meaning, x, word=name)
    said = {row[0].split(" ", 1)[-1] for row in rows(tables.NOUNS)} | both | {"triangle", "jack", "file", "cricket"}
    derived = [(name, f"a person who {does}") for name, does, *_ in rows(tables.JOBS)]
    derived += [(name, f"a thing that is used to {use}") for name, use, *_ in rows(tables.OBJECTS)]
    derived += [(name, f"a tool that is used to {use}") for name, use, _ in rows(tables.TOOLS)]
    derived += [(name, f"a vehicle that is used to {use}") for name, _, use, *_ in rows(tables.VEHICLES)]
    for name, meaning in derived:
        if name not in said:
            yield _item("noun", "noun", name, meaning, a_(name), word=_genus(meaning))
    for name, meaning in verbs:
        yield _item("verb", "verb", name, meaning)
        yield _item("verb_named", "verb", name, meaning, word=name)
    for name, meaning in adjectives:
        yield _item("adjective", "adjective", name, meaning)
        yield _item("adjective_named", "adjective", name, meaning, word=name)


def _third(verb: str) -> str:
    return verb + ("es" if verb.endswith(("o", "ch", "sh", "ss", "x")) else "s") if not verb.endswith(("fly", "dry")) else verb[:-1] + "ies"


def _whys() -> Iterator[Item]:
    for wh, aux, subject, rest, answer, word in rows(tables.WHY):
        if aux == "-":
            direct = indirect = f"{wh} {rest}"
        else:
            direct = f"{wh} {aux} {subject} {rest}"
            first, _, tail = rest.partition(" ")
            told = {"do": rest, "does": f"{_third(first)} {tail}".strip(), "did": f"died {tail}", "can't": f"cannot {rest}"}
            indirect = f"{wh} {subject} {told.get(aux, f'{aux} {rest}')}"
        asked = [
            "{d}?",
            "Can you tell me {i}?",
            "Do you know {i}?",
            "Please explain {i}.",
            "I wonder {i}.",
            "Explain to me {i}.",
            "I want to know {i}.",
            "Tell me {i}.",
        ]
        questions = tuple(upper(text.format(d=direct, i=indirect)) for text in asked)
        yield Item(RELATIONS["why"], "why", direct, indirect, answer, questions, answer, word, "", (), "", "")


def _body() -> Iterator[Item]:
    for name, verb, emoji in rows(tables.BODY):
        one = name in _ONE_BODY
        yield _item("body_one" if one else "body", "body", name, verb, emoji=emoji)
        yield _item("body_part", "body", name, verb, f"{name} {'helps' if one else 'help'} us", word=name, emoji=emoji)


@cache
def items() -> tuple[Item, ...]:
    """Every fact in a fixed order; a question with two different answers is nobody's question."""
    made = [
        item
        for maker in (_countries, _places, _animals, _nature, _things, _people, _school, _time, _words, _whys, _body)
        for item in maker()
    ]
    elsewhere = {question.lower(): fact.answer for fact in all_facts() for question in fact.questions}
    answers: dict[str, set[str]] = defaultdict(set)
    for item in made:
        for question in item.questions:
            answers[question.lower()].add(item.answer)
    kept = []
    for item in made:
        asked = tuple(
            dict.fromkeys(
                q for q in item.questions if len(answers[q.lower()]) == 1 and elsewhere.get(q.lower(), item.answer) == item.answer
            )
        )
        if asked:
            kept.append(
                Item(
                    item.relation,
                    item.topic,
                    item.name,
                    item.x,
                    item.y,
                    asked,
                    item.answer,
                    item.word,
                    item.emoji,
                    item.its,
                    item.clue,
                    item.k,
                )
            )
    return tuple(kept)


def PLAIN() -> list[tuple[tuple[str, ...], str, str, str]]:  # noqa: N802
    """Everything that has a short answer: wordings of the question, plain sentence, answer in a few words, emoji."""
    seen: set[str] = set()
    made = []
    for item in items():
        if len(item.word.split()) <= 3 and item.questions[0] not in seen:
            seen.update(item.questions)
            made.append((item.questions, item.answer, item.word, item.emoji))
    return made


def _person_name(fact: str) -> str:
    """A fact as its owner tells it: its -> my, has -> have."""
    verb, _, rest = fact.partition(" ")
    special = {"is": "am", "has": "have", "was": "was", "does": "do", "can": "can", "could": "could"}
    if verb not in special:
        verb = verb[:-3] + "y" if verb.endswith("ies") else verb[:-2] if verb.endswith(("ches", "shes", "sses")) else verb.removesuffix("s")
    swaps = {"its": "my", "itself": "myself", "his": "my", "her": "my", "herself": "myself", "he": "I", "she": "I", "it": "I"}
    told = [swaps.get(word, word) for word in rest.split()]
    return " ".join([special.get(verb, verb), *told])


def _plural(noun: str) -> str:
    known = dict(rows(tables.PLURALS)) | {
        "sheep": "sheep",
        "deer": "deer",
        "fish": "fish",
        "salmon": "salmon",
        "trout": "trout",
        "tuna": "tuna",
        "squid": "squid",
        "shrimp": "shrimp",
        "bison": "bison",
        "moose": "moose",
        "reindeer": "reindeer",
        "goldfish": "goldfish",
        "clownfish": "clownfish",
        "jellyfish": "jellyfish",
        "starfish": "starfish",
        "platypus": "platypuses",
        "walrus": "walruses",
        "octopus": "octopuses",
        "radish": "radishes",
        "mango": "mangoes",
        "tomato": "tomatoes",
        "sweet potato": "sweet potatoes",
    }
    if noun in known:
        return known[noun]
    if noun.endswith(("s", "x", "ch", "sh")):
        return f"{noun}es"
    return noun[:-1] + "ies" if noun[-1] == "y" and noun[-2] not in "aeiou" else f"{noun}s"


def _intros() -> dict[tuple[str, str], tuple[tuple[str, ...], str]]:
    """Topic and name: ways to begin a paragraph, and how one asks for it in general."""
    made: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}
    for name, _, continent, *_ in rows(tables.COUNTRIES):
        place = (
            f" in {continent}"
            if continent != "-"
            else " that lies where Europe and Asia meet"
            if name != "Cyprus"
            else " on an island in the Mediterranean Sea"
        )
        made["country", name] = ((f"{upper(name)} is a country{place}.",), name)
    for name, country, _ in rows(tables.CITIES):
        made["city", name] = ((f"{name} is a city in {country}.",), name)
    for name, where, _ in rows(tables.RIVERS):
        made["river", name] = ((f"{upper(name)} is a river in {where}.", f"{upper(name)} is a river that flows in {where}."), name)
    for name, where, _ in rows(tables.MOUNTAINS):
        made["mountain", name] = ((f"{upper(name)} is a mountain in {where}.",), name)
    for name, place, _, what in rows(tables.LANDMARKS):
        made["landmark", name] = ((f"{upper(name)} is {what}.", f"{upper(name)} in {place} is {what}."), name)
    for name, what, *_ in rows(tables.PEOPLE):
        made["person", name] = ((f"{name} was {a_(what)}.", f"{name} was a famous {what}."), name)
    for name, *_ in rows(tables.HOLIDAYS):
        made["holiday", name] = ((f"{upper(name)} is a special day.",), name)
    for name, *_ in rows(tables.MATERIALS):
        made["material", name] = ((f"{upper(name)} is a material.",), name)
    for name, _, kind, *_ in rows(tables.PLANETS):
        made["planet", name] = ((f"{name} is {kind}.", f"{name} is one of the eight planets and {kind}."), name)
    return made | _living_intros() | _thing_intros()


def _living_intros() -> dict[tuple[str, str], tuple[tuple[str, ...], str]]:
    made: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}
    for name, kind, color, size, *_ in rows(tables.ANIMALS):
        size = size.replace("medium", "medium-sized")
        looks = f"{size} {color}" if color != "-" and " and " not in color else size
        more = () if kind == name else (f"The {name} is {a_(f'{looks} {kind}')}.", f"{upper(a_(name))} is {a_(f'{looks} {kind}')}.")
        made["animal", name] = (more or (f"The {name} is a soft animal of the sea.",), _plural(name))
    for name, kind, color, *_ in rows(tables.PRODUCE):
        made["produce", name] = ((f"{upper(a_(name))} is {a_(f'{color} {kind}')}.",), f"{a_(name)}")
    for name, what, *_ in rows(tables.FOODS):
        made["dish", name] = ((f"{upper(name)} is {what}.",), name)
    for name, kind, *_ in rows(tables.PLANTS):
        made["plant", name] = (
            (f"{upper(a_(name))} is {a_(kind)}.",)
            if name in _MASS
            else (f"{upper(a_(name))} is {a_(kind)}.", f"The {name} is {a_(kind)}."),
            a_(name),
        )
    return made


def _thing_intros() -> dict[tuple[str, str], tuple[tuple[str, ...], str]]:
    made: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}
    things = (
        (tables.OBJECTS, "object", "a useful thing in the house"),
        (tables.VEHICLES, "vehicle", "a vehicle"),
        (tables.CLOTHES, "clothing", "something that people wear"),
    )
    for text, topic, what in things:
        for name, *_ in rows(text):
            made[topic, name] = ((f"{upper(a_(name))} is {what}.",), a_(name))
    for name, kind, *_ in rows(tables.INSTRUMENTS):
        made["instrument", name] = (
            (f"The {name} is {a_(kind)}.",) if " of " not in name else (f"{upper(a_(name))} is {a_(kind)}.",),
            a_(name),
        )
    for name, does, *_ in rows(tables.JOBS):
        made["job", name] = ((f"{upper(a_(name))} {does}.", f"{upper(a_(name))} is a person who {does}."), a_(name))
    for name, *_ in rows(tables.SPORTS):
        made["sport", name] = ((f"{upper(name)} is something that people play or do for fun and exercise.",), name)
    return made


@cache
def entities() -> tuple[Entity, ...]:
    """Everything that a paragraph can be written about."""
    found: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items():
        found[item.topic, item.name].append(item)
    made = []
    for (topic, name), (intros, many) in _intros().items():
        known = found[topic, name]
        if sum(bool(item.its) for item in known):
            made.append(Entity(topic, known[0].x, many, intros, tuple(known)))
    return tuple(made)


@cache
def _by_topic() -> dict[str, list[Entity]]:
    grouped: dict[str, list[Entity]] = defaultdict(list)
    for entity in entities():
        grouped[entity.topic].append(entity)
    return dict(grouped)


@cache
def _by_relation() -> dict[str, list[Item]]:
    grouped: dict[str, list[Item]] = defaultdict(list)
    for item in items():
        grouped[item.relation.name].append(item)
    return dict(grouped)


def _paragraph(entity: Entity, random: Random, most: int) -> tuple[str, list[Item]]:
    """Sentences about one thing, and the facts that they tell."""
    told = [item for item in entity.items if item.its]
    told = random.sample(told, min(most, len(told)))
    return " ".join([random.choice(entity.intros), *(random.choice(item.its) for item in told)]), told


def _pick(random: Random, pool: dict[str, list[Item]], usable: Callable[[Item], bool] = lambda item: True) -> Item:
    """A fact, with small relations drawn more often than their size."""
    names = list(pool)
    while True:
        item = random.choice(pool[random.choice(names)]) if random.random() < 0.5 else random.choice(items())
        if usable(item):
            return item


def _more(make: Callable[[Random], list[Turn]], again: float = 0.3) -> Callable[[Random], list[Turn]]:
    """One to three exchanges of the same task."""

    def turns(random: Random) -> list[Turn]:
        made = make(random)
        while len(made) < 6 and random.random() < again:
            made += make(random)
        return made

    return turns


_ASK = ["{}"] * 8 + [
    "Please tell me: {}",
    "A question: {}",
    "I have a question. {}",
    "Can you help me? {}",
    "Hi! {}",
    "My child asks: {}",
    "{} Thank you!",
    "Quick question: {}",
]
_DEFINED = ("noun", "verb", "adjective", "named", "verb_named", "adjective_named")


def _ask(random: Random) -> list[Turn]:
    item = _pick(random, _by_relation(), lambda item: item.relation.name not in ("why", *_DEFINED))
    return [("user", random.choice(_ASK).format(random.choice(item.questions))), ("assistant", item.answer)]


def _define(random: Random) -> list[Turn]:
    item = random.choice(
        _by_relation()[random.choice(["noun", "noun", "noun", "named", "verb", "adjective", "verb_named", "adjective_named"])]
    )
    return [("user", random.choice(item.questions)), ("assistant", item.answer)]


def _why(random: Random) -> list[Turn]:
    item = random.choice(_by_relation()["why"])
    return [("user", random.choice(item.questions)), ("assistant", item.answer)]


_ABOUT = "Tell me about {}.|What can you tell me about {}?|What do you know about {}?|Write a few sentences about {}.|Tell me something about {}.|I want to learn about {}.|Describe {}.|Give me some facts about {}.|Explain to a child what you know about {}.|Write a short text about {}.".split(
    "|"
)


def _tell_about(random: Random) -> list[Turn]:
    entity = random.choice(_by_topic()[random.choice(list(_by_topic()))])
    return [("user", random.choice(_ABOUT).format(random.choice([entity.many, entity.x]))), ("assistant", _paragraph(entity, random, 3)[0])]


_COMPARE = "Compare {a} and {b} by their {n}.|Compare {a} with {b}: {n}.|What is the {n} of {a} and of {b}?|How do {a} and {b} compare in their {n}?|{A} and {b}: what is the {n} of each?|Look at {a} and {b}. What can you say about their {n}?|Tell me the {n} of {a} and the {n} of {b}.".split(
    "|"
)


def _compare(random: Random) -> list[Turn]:
    pool = _by_relation()
    names = [name for name, known in RELATIONS.items() if known.noun and len(pool[name]) > 3]
    one, two = random.sample(pool[random.choice(names)], 2)
    text = random.choice(_COMPARE).format(a=one.x, b=two.x, A=upper(one.x), n=one.relation.noun)
    return [("user", text), ("assistant", f"{one.answer[:-1]}, {'and' if one.y == two.y else 'but'} {lower(two)}")]


@cache
def _categories() -> list[tuple[str, list[str]]]:
    """What one can name several of, and all that are known."""
    animals = rows(tables.ANIMALS)

    def named(phrase: str, keep: Callable[[list[str]], bool]) -> tuple[str, list[str]]:
        return phrase, [f"the {row[0]}" for row in animals if keep(row)]

    made = [
        ("kinds of fish" if kind == "fish" else f"{kind}s", [f"the {row[0]}" for row in animals if row[1] == kind])
        for kind in ("mammal", "bird", "fish", "reptile", "amphibian", "insect")
    ]
    made += [named("animals that can fly", lambda row: row[9] == "y"), named("animals that can swim", lambda row: row[10] == "y"),
             named("animals that live in the sea", lambda row: "sea" in row[4].split() and "by" not in row[4]), named("animals that live on a farm", lambda row: row[4] == "on a farm"),
             named("animals that live in the savanna", lambda row: row[4] == "in the savanna"), named("animals with four legs", lambda row: row[8] == "4"),
             named("animals with six legs", lambda row: row[8] == "6"), named("animals with two legs", lambda row: row[8] == "2" and row[1] == "bird"),
             named("very big animals", lambda row: row[3] == "huge"), named("very small animals", lambda row: row[3] == "tiny")]  # fmt: skip
    made += [
        (f"countries in {place}", [row[0] for row in rows(tables.COUNTRIES) if row[2] == place])
        for place in ("Europe", "Asia", "Africa", "North America", "South America", "Oceania")
    ]
    made += [
        (f"countries where most people speak {tongue}", [row[0] for row in rows(tables.COUNTRIES) if row[3] == tongue])
        for tongue in ("Spanish", "Arabic", "English", "Portuguese", "German")
    ]
    made += [("capitals in Europe", [row[1] for row in rows(tables.COUNTRIES) if row[2] == "Europe"]), ("rivers", [row[0] for row in rows(tables.RIVERS)]),
             ("famous buildings or sights", [row[0] for row in rows(tables.LANDMARKS)]), ("mountains", [row[0] for row in rows(tables.MOUNTAINS) if row[2].startswith("is")]),
             ("oceans", [row[0] for row in rows(tables.WATERS) if "Ocean" in row[0]]), ("planets", [row[0] for row in rows(tables.PLANETS)])]  # fmt: skip
    fruits = [row for row in rows(tables.PRODUCE) if row[1] == "fruit" and row[0] not in ("olive", "avocado", "coconut")]
    made += [
        ("fruits", [f"the {row[0]}" for row in fruits]),
        ("yellow fruits", ["the banana", "the lemon", "the grapefruit"]),
        ("red fruits", [f"the {row[0]}" for row in fruits if row[2] == "red"]),
    ]
    made += [
        (f"{kind}s", [row[0] if row[0] in _MASS else f"the {row[0]}" for row in rows(tables.PLANTS) if row[1] == kind])
        for kind in ("tree", "flower", "herb")
    ]
    made += [
        ("vegetables", ["carrots", "potatoes", "onions", "leeks", "radishes", "cabbage", "lettuce", "broccoli", "spinach", "turnips"]),
        ("nuts", ["walnuts", "hazelnuts", "almonds", "chestnuts"]),
        ("drinks", ["water", "milk", "tea", "coffee", "lemonade", "cocoa"]),
    ]
    made += [("jobs", [a_(row[0]) for row in rows(tables.JOBS)]), ("vehicles", [a_(row[0]) for row in rows(tables.VEHICLES)]), ("vehicles that move on water", [a_(row[0]) for row in rows(tables.VEHICLES) if row[1] == "water" and row[0] != "submarine"]),
             ("vehicles that fly in the air", [a_(row[0]) for row in rows(tables.VEHICLES) if row[1] == "the air"]), ("tools", [a_(row[0]) for row in rows(tables.TOOLS)[:16]]), ("clothes", [a_(row[0]) for row in rows(tables.CLOTHES) if "neck" not in row[1] and row[0] not in ("ring", "watch", "pair of glasses", "helmet")])]  # fmt: skip
    made += [
        (f"things that one finds in the {room}", [a_(row[0]) for row in rows(tables.OBJECTS) if row[3] == room])
        for room in ("kitchen", "bathroom", "bedroom", "living room", "study")
    ]
    made += [
        ("musical instruments", [f"the {row[0]}" for row in rows(tables.INSTRUMENTS) if " of " not in row[0]]),
        ("string instruments", ["the guitar", "the violin", "the cello", "the harp", "the banjo"]),
        ("ball games", ["football", "basketball", "volleyball", "handball", "tennis", "golf"]),
    ]
    made += [
        (f"famous {_plural(what)}", [row[0] for row in rows(tables.PEOPLE) if row[1] == what])
        for what in ("scientist", "composer", "painter", "writer", "explorer")
    ]
    made += [("days of the week", list(DAYS)), ("months", list(MONTHS)), ("months with thirty days", ["April", "June", "September", "November"]), ("seasons", ["spring", "summer", "fall", "winter"]), ("colors", "red blue green yellow orange purple pink brown black white grey".split()),
             ("shapes", [a_(row[0]) for row in rows(tables.SHAPES)] + ["a circle"]), ("feelings", "joy fear anger sadness surprise pride hope love".split()), ("school subjects", [row[0] for row in rows(tables.SUBJECTS)]),
             ("parts of the body", [f"the {row[0]}" for row in rows(tables.BODY)]), ("materials", [row[0] for row in rows(tables.MATERIALS)]), ("kinds of weather", "rain snow fog wind sunshine hail".split()), ("members of a family", "a mother|a father|a sister|a brother|an aunt|an uncle|a grandmother|a cousin".split("|"))]  # fmt: skip
    return [(phrase, names) for phrase, names in made if len(names) >= 3]


_NAME = "Name {n} {c}.|List {n} {c}.|Can you name {n} {c}?|Tell me {n} {c}.|Give me {n} {c}.|Which {n} {c} do you know?|I need {n} {c}.|Please name {n} {c}.|Write down {n} {c}.|What are {n} {c}?".split(
    "|"
)


def _list(random: Random) -> list[Turn]:
    phrase, names = random.choice(_categories())
    count = random.choice([2, 3, 3, 3, 4, 5])
    chosen = random.sample(names, min(count, len(names)))
    number = _COUNTS[len(chosen)]
    return [("user", random.choice(_NAME).format(n=number, c=phrase)), ("assistant", f"{upper(number)} {phrase} are {joined(chosen)}.")]


_COUNTS = ["no", "one", "two", "three", "four", "five"]


_SURE = {
    "young": set("dog cat cow horse pig sheep duck goose chicken kangaroo frog lion deer swan owl eagle elephant".split()),
    "sound": set("dog cat cow horse pig sheep duck bee snake owl rooster frog donkey".split()),
}
_UNSURE = {"continent": {"Kazakhstan", "Egypt", "Indonesia"}}
"""What has other names too, or lies in two places, is no ground for a no."""


@cache
def _sure() -> dict[str, list[Item]]:
    """The facts for which every other value is surely wrong."""
    kept = {}
    for name, found in _by_relation().items():
        if found[0].relation.choose:
            kept[name] = [item for item in found if item.name in _SURE.get(name, {item.name}) and item.name not in _UNSURE.get(name, ())]
    return kept


@cache
def _choosable() -> dict[str, list[Item]]:
    return {name: found for name, found in _sure().items() if len({item.word for item in found}) > 3}


def _rivals(item: Item, random: Random, count: int) -> list[str]:
    """Other answers of the same relation, which are wrong here."""
    known = _sure().get(item.relation.name, _by_relation()[item.relation.name])
    pool = [other for other in known if other.k == item.k]
    pool = pool if len({other.word for other in pool}) > count else known
    found: list[str] = []
    while len(found) < count:
        word = random.choice(pool).word
        if word != item.word and word not in found:
            found.append(word)
    return found


_CHOOSE = "{q}\n{o}|{q} Choose the right answer.\n{o}|Choose the right answer.\n{q}\n{o}|Multiple choice: {q}\n{o}|{q}\n{o}\nWhich one is right?|Pick A, B or C.\n{q}\n{o}|Which answer is right? {q}\n{o}".split(
    "|"
)


def _choice(random: Random) -> list[Turn]:
    pool = _choosable()
    item = random.choice(pool[random.choice(list(pool))])
    options = [*_rivals(item, random, 2), item.word]
    random.shuffle(options)
    mark = random.choice([": ", ") ", ". "])
    shown = random.choice(["\n", "\n", "  "]).join(f"{letter}{mark}{option}" for letter, option in zip("ABC", options, strict=True))
    text = random.choice(_CHOOSE).format(q=random.choice(item.questions), o=shown)
    return [("user", text), ("assistant", f"{'ABC'[options.index(item.word)]}: {item.word}")]


@cache
def _checkable() -> dict[str, list[Item]]:
    return {name: found for name, found in _sure().items() if found[0].relation.check and len({item.y for item in found}) > 2}


_CHECK = ["{}"] * 5 + ["Is this right? {}", "Yes or no? {}", "Tell me: {}", "I am not sure. {}", "Please check: {}"]


def _check(random: Random) -> list[Turn]:
    pool = _checkable()
    item = random.choice(pool[random.choice(list(pool))])
    value = item.y
    if random.random() < 0.5:
        value = random.choice(
            [other.y for other in pool[item.relation.name] if other.y != item.y and (other.k == item.k or item.relation.name == "unit")]
        )
    asked = upper(item.relation.check.format(x=item.x, n=item.name, y=value, k=item.k))
    return [("user", random.choice(_CHECK).format(asked)), ("assistant", f"{'Yes' if value == item.y else 'No'}, {lower(item)}")]


_GUESS = "Who am I?|What am I?|Can you guess what I am?|Guess what I am.|Do you know what I am?|Tell me what I am.".split("|")
_RIDDLE = ["", "", "", "Here is a riddle. ", "A riddle for you: ", "Guess the riddle. "]


@cache
def _riddles() -> list[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    """What it is in general, the clue that is always told, more clues, the answer."""
    made: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = []
    clues: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item in items():
        if item.clue:
            clues[item.topic, item.name].append(item.clue)
    for row in rows(tables.ANIMALS):
        if " it " not in row[12] and len(clues["animal", row[0]]) > 2:
            made.append(("I am an animal.", (f"I {_person_name(row[12])}.",), tuple(clues["animal", row[0]]), f"You are {a_(row[0])}."))
    for row in rows(tables.COUNTRIES):
        more = tuple(clue for clue in clues["country", row[0]] if "capital" not in clue)
        made.append(("I am a country.", (f"My capital is {row[1]}.".replace("..", "."),), more, f"You are {row[0]}."))
    for row in rows(tables.JOBS):
        made.append(("I have a job.", (f"I {_person_name(row[1])}.",), tuple(clues["job", row[0]]), f"You are {a_(row[0])}."))
    for row in rows(tables.OBJECTS):
        more = tuple(clue for clue in clues["object", row[0]] if not clue.startswith("You use"))
        made.append(("I am a thing in the house.", (f"You use me to {row[1]}.",), more, f"You are {a_(row[0])}."))
    return made + _more_riddles()


def _more_riddles() -> list[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    made: list[tuple[str, tuple[str, ...], tuple[str, ...], str]] = []
    for row in rows(tables.PEOPLE):
        if not row[2].startswith(_VAGUE_DEEDS):
            deed = " ".join(_person_name(f"was {row[2]}").split()[1:])
            made.append(("I am a famous person of the past.", (f"I {deed}.",), (f"I was {a_(row[1])}.",), f"You are {row[0]}."))
    for row in rows(tables.PLANETS):
        if " it " not in row[3]:
            made.append(
                (
                    "I am a planet.",
                    (f"I {_person_name(row[3])}.",),
                    (f"I am the {row[1]} planet from the sun.", f"I am {row[2]}."),
                    f"You are {row[0]}.",
                )
            )
    return made


@cache
def _riddle_groups() -> list[list[tuple[str, tuple[str, ...], tuple[str, ...], str]]]:
    groups: dict[str, list[tuple[str, tuple[str, ...], tuple[str, ...], str]]] = defaultdict(list)
    for riddle in _riddles():
        groups[riddle[0]].append(riddle)
    return list(groups.values())


def _who_am_i(random: Random) -> list[Turn]:
    general, always, more, answer = random.choice(random.choice(_riddle_groups()))
    told = [*always, *random.sample(more, min(len(more), random.choice([2, 3, 3])))]
    random.shuffle(told)
    return [("user", f"{random.choice(_RIDDLE)}{' '.join([general, *told])} {random.choice(_GUESS)}"), ("assistant", answer)]


_CONTEXT = "{t}\n\n{q}|{t} {q}|Read the text and answer the question.\n\n{t}\n\n{q}|{t}\n\nQuestion: {q}|Text: {t}\nQuestion: {q}|Here is a text: {t}\n\nNow tell me: {q}|Answer with the help of the text. {t}\n{q}".split(
    "|"
)


def _context(random: Random) -> list[Turn]:
    grouped = _by_topic()
    texts = []
    for entity in random.sample(grouped[random.choice(list(grouped))], random.choice([1, 1, 2])):
        text, told = _paragraph(entity, random, 4)
        texts.append((text, told))
    item = random.choice(random.choice(texts)[1])
    asked = random.choice(_CONTEXT).format(t=" ".join(text for text, _ in texts), q=random.choice(item.questions))
    return [("user", asked), ("assistant", item.answer)]


_SHORT = "Answer in one word: {}|{} One word, please.|In one word: {}|{} Answer in one word.|{} Just one word.|One word only: {}|Give a one word answer. {}|{} Use a single word.".split(
    "|"
)


def _short(random: Random) -> list[Turn]:
    item = _pick(
        random,
        _by_relation(),
        lambda item: " " not in item.word and item.relation.name not in ("noun", "verb", "adjective", "why", "person"),
    )
    return [("user", random.choice(_SHORT).format(random.choice(item.questions))), ("assistant", item.word)]


_QUIZ = "Ask me a question about {}.|Quiz me about {}.|Let's play a quiz about {}.|I want a quiz about {}.|Test me. The topic is {}.|Can you ask me something about {}?".split(
    "|"
)
_QUIZ_TOPICS = {
    "capitals": ("capital", "capital_of"),
    "countries": ("continent", "language", "capital"),
    "animals": ("young", "legs", "kind", "sound"),
    "famous people": ("who",),
    "inventions": ("inventor",),
    "words": ("opposite", "plural", "past", "named"),
    "jobs": ("who_does",),
    "the calendar": ("after", "before", "month_days", "month_nth"),
    "planets": ("nth",),
    "colors": ("mix",),
    "shapes": ("sides",),
    "places": ("landmark_city", "city"),
}
_RIGHT = "That is right.|Right!|Yes, well done!|Correct!|Very good, that is right.|Exactly!".split("|")
_WRONG = "No, that is not right.|Not quite.|Sorry, that is wrong.|That is not correct.|No, but a good try.".split("|")


def _said(word: str, random: Random) -> str:
    return random.choice(["{}", "{}.", "I think it is {}.", "It is {}.", "Is it {}?", "My answer is {}."]).format(word).replace("..", ".")


def _quiz(random: Random) -> list[Turn]:
    topic = random.choice(list(_QUIZ_TOPICS))
    relation = random.choice(_QUIZ_TOPICS[topic])
    pool = [item for item in _sure()[relation] if item.questions[0].endswith("?")]
    asked = random.sample(pool, random.choice([1, 2, 2]))
    turns = [("user", random.choice(_QUIZ).format(topic)), ("assistant", asked[0].questions[0])]
    for at, item in enumerate(asked):
        draw = random.random()
        if draw < 0.5:
            said, verdict = _said(item.word, random), random.choice(_RIGHT)
        elif draw < 0.9:
            said, verdict = _said(_rivals(item, random, 1)[0], random), random.choice(_WRONG)
        else:
            said, verdict = (
                random.choice(["I don't know.", "No idea.", "Please tell me."]),
                random.choice(["No problem.", "Then I will tell you."]),
            )
        go_on = f" Next question: {asked[at + 1].questions[0]}" if at + 1 < len(asked) else ""
        turns += [("user", upper(said)), ("assistant", f"{verdict} {item.answer}{go_on}")]
    return turns


TASKS: dict[str, Callable[[Random], list[Turn]]] = {
    "ask": _more(_ask), "define": _more(_define), "why": _more(_why, 0.15), "tell_about": _more(_tell_about, 0.15), "compare": _more(_compare, 0.15), "list": _more(_list),
    "quiz": _quiz, "who_am_i": _more(_who_am_i, 0.15), "check": _more(_check), "choice": _more(_choice, 0.15), "context": _context, "short": _more(_short),
}  # fmt: skip
EXACT = frozenset({"ask", "define", "why", "compare", "who_am_i", "check", "choice", "context", "short"})


def _about(*topics: str) -> Callable[[Random], str]:
    """Paragraphs about one to four things of a topic."""

    def text(random: Random) -> str:
        chosen = random.sample(_by_topic()[random.choice(topics)], random.choice([1, 2, 3, 4]))
        return "\n".join(_paragraph(entity, random, 5)[0] for entity in chosen)

    return text


def _why_text(random: Random) -> str:
    chosen = random.sample(_by_relation()["why"], random.choice([1, 2, 3]))
    return "\n".join(f"{item.questions[0]} {item.answer}" for item in chosen)


def _glossary(random: Random) -> str:
    pool = _by_relation()[random.choice(["noun", "noun", "verb", "adjective"])]
    return " ".join(item.answer for item in random.sample(pool, random.choice([3, 4, 5, 6])))


def _facts_text(random: Random) -> str:
    pool = _by_relation()
    names = [name for name in pool if name not in ("why", "fly", "swim", *_DEFINED) and len(pool[name]) >= 6]
    return " ".join(dict.fromkeys(item.answer for item in random.sample(pool[random.choice(names)], random.choice([3, 4, 5, 6]))))


def _history_text(random: Random) -> str:
    names = ["person", "person", "inventor", "invented", "year", "deed"]
    return " ".join(random.choice(_by_relation()[random.choice(names)]).answer for _ in range(random.choice([3, 4, 5])))


def _list_text(random: Random) -> str:
    lines = []
    for phrase, names in random.sample(_categories(), random.choice([1, 2, 3])):
        chosen = random.sample(names, min(len(names), random.choice([3, 4, 5])))
        opening = random.choice(
            ["There are many {c}, such as {l}.", "Some {c} are {l}.", "Among the {c} are {l}.", "Examples of {c} are {l}."]
        )
        lines.append(opening.format(c=phrase, l=joined(chosen)) if len(names) > 8 else f"{upper(phrase)}: {joined(chosen)}.")
    return " ".join(lines)


TEXTS: dict[str, Callable[[Random], str]] = {
    "countries": _about("country"), "places": _about("city", "river", "landmark"), "animals": _about("animal"), "food": _about("produce", "dish"), "plants": _about("plant"),
    "things": _about("object", "vehicle", "clothing", "instrument", "material"), "jobs": _about("job"), "people": _about("person"), "world": _about("planet", "sport", "holiday", "mountain"), "whys": _why_text, "glossary": _glossary, "facts": _facts_text, "history": _history_text, "lists": _list_text,
}  # fmt: skip
