"""Sentences in the languages of the world with the encodings in which such files come, before UTF-8."""

# ruff: noqa: RUF001

SENTENCES = {
    "German": (
        ("windows-1252", "mac-roman", "cp850", "iso-8859-1"),
        [
            "Was ist größer, Maus oder Bär?",
            "Der Fluss fließt natürlich durch die schöne Stadt Köln.",
            "Können Sie mir bitte die Straße zeigen?",
            "Öffnen Sie die Tür für die Gäste.",
        ],
    ),
    "French": (
        ("windows-1252", "mac-roman", "cp850", "iso-8859-1"),
        [
            "Où est la bibliothèque de l’école ?",
            "Le garçon a mangé une crêpe à la fraise.",
            "C’est déjà l’été, et la forêt est très belle.",
            "Il faut réécrire la première leçon.",
        ],
    ),
    "Spanish": (
        ("windows-1252", "mac-roman", "cp850", "iso-8859-1"),
        [
            "¿Dónde está el niño pequeño?",
            "La canción más bonita del año pasado.",
            "Mañana iré al médico con mi mamá.",
            "¡Qué día tan fantástico!",
        ],
    ),
    "Portuguese": (
        ("windows-1252", "mac-roman", "cp850"),
        [
            "A informação não está disponível.",
            "O coração da nação é a educação.",
            "Amanhã você irá à praia com a mãe?",
            "São três maçãs e um pão.",
        ],
    ),
    "Italian": (
        ("windows-1252", "mac-roman", "cp850"),
        [
            "Perché la città è così bella?",
            "Più tardi andrò al caffè con papà.",
            "La verità è che non c’è più tempo.",
            "Lunedì sarò già in università.",
        ],
    ),
    "Swedish": (
        ("windows-1252", "mac-roman", "cp850"),
        ["Hur mår du i dag, lilla vän?", "Det är en större älg på vägen.", "Åsa äter ägg och smör på lördag.", "Vi åker båt över sjön."],
    ),
    "Danish": (
        ("windows-1252", "mac-roman", "cp850"),
        [
            "Hvornår går toget til København?",
            "Jeg vil gerne have et rødt æble.",
            "Ærlighed varer længst, søde ven.",
            "Hun får både øl og brød.",
        ],
    ),
    "Icelandic": (
        ("windows-1252", "iso-8859-1"),
        [
            "Hvað heitir þú og hvaðan ertu?",
            "Það er gaman að læra íslensku.",
            "Ég á heima í Reykjavík.",
            "Við förum út að borða á föstudaginn.",
        ],
    ),
    "Dutch": (
        ("windows-1252", "mac-roman"),
        [
            "De coördinator heeft geen idee.",
            "Ik heb twee ideeën en één café.",
            "België en Italië zijn mooi.",
            "De reünie was geïmproviseerd.",
        ],
    ),
    "Polish": (
        ("windows-1250", "iso-8859-2", "cp852"),
        [
            "Gdzie jest najbliższa księgarnia?",
            "Zażółć gęślą jaźń, proszę pana.",
            "Mój brat pojechał do Łodzi na święta.",
            "Czy możesz mi pomóc, bo się spóźnię?",
        ],
    ),
    "Czech": (
        ("windows-1250", "iso-8859-2", "cp852"),
        [
            "Kde je nejbližší nádraží, prosím?",
            "Příliš žluťoučký kůň úpěl ďábelské ódy.",
            "Děti šly včera večer do školy.",
            "Můžeš mi říct, kolik to stojí?",
        ],
    ),
    "Slovak": (
        ("windows-1250", "iso-8859-2"),
        [
            "Kde je najbližšia železničná stanica?",
            "Mäkký chlieb je veľmi chutný.",
            "Ďakujem pekne, môj milý priateľ.",
            "Včera sme boli v škole.",
        ],
    ),
    "Hungarian": (
        ("windows-1250", "iso-8859-2", "cp852"),
        [
            "Hol van a legközelebbi könyvtár?",
            "A gyűrűt az erdőben találta meg a fiú.",
            "Szeretnék egy pohár vizet, köszönöm.",
            "Az időjárás ma gyönyörű, de hűvös.",
        ],
    ),
    "Croatian": (
        ("windows-1250", "iso-8859-2"),
        [
            "Gdje je najbliža knjižnica?",
            "Čovjek će doći sutra u šest sati.",
            "Djevojčica je kupila žuti džemper.",
            "Što želiš večerati danas?",
        ],
    ),
    "Turkish": (
        ("windows-1254", "iso-8859-9"),
        [
            "En yakın kütüphane nerede?",
            "Bugün hava çok güzel, değil mi?",
            "Işığı söndürür müsün lütfen?",
            "Çocuklar bahçede şarkı söylüyor.",
        ],
    ),
    "Lithuanian": (
        ("windows-1257",),
        [
            "Kur yra artimiausia biblioteka mieste?",
            "Šiandien labai gražus oras, ačiū.",
            "Ąžuolas auga prie mūsų namų.",
            "Žmonės eina į miškė esančią pilį.",
        ],
    ),
    "Latvian": (
        ("windows-1257",),
        ["Kur ir tuvākā bibliotēka?", "Šodien ir ļoti jauks laiks.", "Mēs ēdam ābolus un ķiršus dārzā.", "Viņš dzīvo Rīgā."],
    ),
    "Russian": (
        ("windows-1251", "koi8-r", "cp866", "iso-8859-5", "mac-cyrillic"),
        [
            "Где находится ближайшая библиотека?",
            "Сегодня очень хорошая погода.",
            "Мама мыла раму, а папа читал газету.",
            "Сколько стоит этот хлеб?",
        ],
    ),
    "Ukrainian": (
        ("windows-1251", "koi8-u"),
        ["Де знаходиться найближча бібліотека?", "Сьогодні дуже гарна погода, еге ж?", "Її брат живе у Києві.", "Скільки коштує цей хліб?"],
    ),
    "Bulgarian": (
        ("windows-1251", "cp866"),
        ["Къде е най-близката библиотека?", "Днес времето е много хубаво.", "Колко струва този хляб, моля?", "Децата играят в градината."],
    ),
    "Serbian": (
        ("windows-1251", "iso-8859-5"),
        ["Где се налази најближа библиотека?", "Данас је време веома лепо.", "Колико кошта овај хлеб?", "Људи шетају поред реке."],
    ),
    "Greek": (
        ("windows-1253", "iso-8859-7"),
        [
            "Πού είναι η πλησιέστερη βιβλιοθήκη;",
            "Σήμερα ο καιρός είναι πολύ ωραίος.",
            "Τα παιδιά παίζουν στον κήπο.",
            "Πόσο κοστίζει αυτό το ψωμί;",
        ],
    ),
    "Hebrew": (
        ("windows-1255",),
        ["איפה הספרייה הקרובה ביותר?", "היום מזג האוויר יפה מאוד.", "כמה עולה הלחם הזה?", "הילדים משחקים בגינה."],
    ),
    "Arabic": (
        ("windows-1256", "iso-8859-6"),
        ["أين توجد أقرب مكتبة عامة؟", "الطقس جميل جدا اليوم في المدينة.", "كم سعر هذا الخبز من فضلك؟", "يلعب الأطفال في الحديقة."],
    ),
    "Thai": (("cp874",), ["ห้องสมุดที่ใกล้ที่สุดอยู่ที่ไหน", "วันนี้อากาศดีมาก", "ขนมปังนี้ราคาเท่าไร", "เด็กๆ เล่นอยู่ในสวน"]),
    "Chinese": (
        ("gb18030", "gbk"),
        ["离这里最近的图书馆在哪里？", "今天的天气非常好，我们去公园吧。", "这个面包多少钱？", "请把下面的句子翻译成英文。"],
    ),
    "Traditional Chinese": (
        ("big5",),
        ["離這裡最近的圖書館在哪裡？", "今天的天氣非常好，我們去公園吧。", "這個麵包多少錢？", "請把下面的句子翻譯成英文。"],
    ),
    "Japanese": (
        ("shift_jis", "euc-jp"),
        ["一番近い図書館はどこですか。", "今日はとても天気がいいですね。", "このパンはいくらですか？", "次の文を英語に訳してください。"],
    ),
    "Korean": (
        ("cp949", "euc-kr"),
        ["가장 가까운 도서관은 어디에 있습니까?", "오늘은 날씨가 아주 좋네요.", "이 빵은 얼마예요?", "다음 문장을 영어로 번역해 주세요."],
    ),
}
"""Language: encodings, and sentences of about forty letters."""
