# ruff: noqa: RUF001 (letters that look alike are what this module is about)
"""Letters outside ASCII by language, the most frequent first, and the encodings in which each language is written.

Letter frequencies are the common orders of each language; of Chinese, Japanese and Korean the most frequent characters. They only rank
encodings against each other, so that the order matters and the exact numbers do not.
"""

LETTERS = {
    "German": "üäöß",
    "French": "éèàêçôîùâûëïœ",
    "Spanish": "óíáéñúü",
    "Portuguese": "ãçáéóêíõúâôà",
    "Italian": "èàùòìé",
    "Dutch": "ëéïóöèü",
    "Scandinavian": "åäöøæé",
    "Icelandic": "íáðéóöþúæý",
    "Catalan": "éèàóíçúïòü",
    "Polish": "łąężśóćńź",
    "Czech": "íáěéýžčřšůúťňóď",
    "Slovak": "áíéčýžúšľťôňďóäŕĺ",
    "Hungarian": "éáöóőíüúű",
    "Romanian": "ăîâșțşţ",
    "Croatian": "čšžćđ",
    "Turkish": "ıişğüçöâ",
    "Estonian": "äõüöšž",
    "Lithuanian": "ėšųžįąūęč",
    "Latvian": "āīēšūņļģķčž",
    "Vietnamese": "đăâêôơưáàéèíìóòúùýãõ\u0301\u0300\u0303\u0309\u0323",
    "Russian": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "Ukrainian": "оанивітерсклдумпязьбгйчжхцюєїфщґшё",
    "Bulgarian": "аеоитнрсвлкдпмзгъбуячйщжхшцфюьэ",
    "Serbian": "аоеинрстујвкдмлпзбгшћчжцњхљђфџ",
    "Greek": "αοιετσνηυρπκμλωίάδέγόήθχύφβώξζψς",
    "Hebrew": "יוהלאתמרבשנםעדחקפכטגזסןךצףץ",
    "Arabic": "اليمنرتوبةعدفهسكقحجصشطخأىذءضغثزظإئآؤ",
    "Persian": "ایرندمتهوسبشکزگفپخعقجحآچصطلضءژئذظغثي",
    "Thai": "านรกอเงมยลวดทสตะปบคหแจพชขใไโผซธณถฐศษภญฏฟ\u0e31\u0e35\u0e34\u0e37\u0e38\u0e39\u0e48\u0e49\u0e4c\u0e47\u0e33\u0e36",
}
"""Letters in lower case; combining marks stand for themselves."""

_WEST = ("German", "French", "Spanish", "Portuguese", "Italian", "Dutch", "Scandinavian", "Icelandic", "Catalan")
_CENTRAL = ("German", "Polish", "Czech", "Slovak", "Hungarian", "Romanian", "Croatian")
_CYRILLIC = ("Russian", "Ukrainian", "Bulgarian", "Serbian")

ALPHABETIC = {
    "windows-1252": ("cp1252", _WEST),
    "windows-1250": ("cp1250", _CENTRAL),
    "iso-8859-2": ("iso8859_2", _CENTRAL),
    "windows-1254": ("cp1254", (*_WEST, "Turkish")),
    "windows-1257": ("cp1257", ("Estonian", "Lithuanian", "Latvian", "Scandinavian", "German", "Polish")),
    "windows-1251": ("cp1251", _CYRILLIC),
    "koi8-r": ("koi8_r", ("Russian",)),
    "koi8-u": ("koi8_u", ("Russian", "Ukrainian")),
    "cp866": ("cp866", ("Russian", "Bulgarian")),
    "iso-8859-5": ("iso8859_5", _CYRILLIC),
    "mac-cyrillic": ("mac_cyrillic", _CYRILLIC),
    "windows-1253": ("cp1253", ("Greek",)),
    "iso-8859-7": ("iso8859_7", ("Greek",)),
    "windows-1255": ("cp1255", ("Hebrew",)),
    "windows-1256": ("cp1256", ("Arabic", "Persian", "French")),
    "iso-8859-6": ("iso8859_6", ("Arabic",)),
    "windows-1258": ("cp1258", ("Vietnamese",)),
    "cp874": ("cp874", ("Thai",)),
    "iso-8859-15": ("iso8859_15", _WEST),
    "mac-roman": ("mac_roman", _WEST),
    "cp850": ("cp850", _WEST),
    "cp852": ("cp852", _CENTRAL),
}
"""Encodings with one byte a letter: Python's name and languages. Of those that read a file alike the first is taken."""

IDEOGRAPHIC = {
    "gb18030": ("gb18030", "Chinese"),
    "big5": ("cp950", "Traditional Chinese"),
    "shift_jis": ("cp932", "Japanese"),
    "euc-jp": ("euc_jp", "Japanese"),
    "cp949": ("cp949", "Korean"),
}
"""Encodings with several bytes a character: Python's name, which may cover more, and language."""

FREQUENT = {
    "Chinese": (
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去"
        "法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点"
        "正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿"
        "原东声提立及比员解水名真论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德"
        "资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交"
        "规万取拉格望觉术领共确传师观清今切院让识候带导争运请问谢您翻译回答写句语中英文什么怎好吃喝花春夏秋冬晚早午饭茶酒钱买卖元块斤"
        "苹果红绿蓝黄黑猫狗鸟鱼雨雪风云星爱喜欢快乐朋友妈爸哥姐弟妹孩店服商客评价满差贵便宜送货款号码京沪广州深圳"
    ),
    "Traditional Chinese": (
        "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去"
        "法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點"
        "正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒"
        "原東聲提立及比員解水名真論處走義各入幾口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德"
        "資命山金指克許統區保至隊形社便空決治展馬科司五基眼書非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交"
        "規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運請謝您翻譯答寫句語英怎吃喝花春夏秋冬晚早午飯茶酒錢買賣元塊斤台灣臺"
        "蘋紅綠藍黃黑貓狗鳥魚雨雪風雲星愛喜歡快樂朋友媽爸哥姐弟妹孩店服商客評價滿差貴宜送貨款號碼"
    ),
    "Japanese": (
        "日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食車"
        "何南万毎白天母火右読友左休父雨会社事者分方部地自的政発内手作業対場同動新理明体実主文通意不定立全度性用問最関現代表数合回開主法経"
        "力当化面加取言思連所強正心界教重要特道集活計化物信少安海果予変氏指近成感受味花春夏秋冬朝昼夜晩犬猫鳥魚赤青黒色好楽歌飲買売店駅町村"
        "市京都私彼使作知待持元去多少早速遅京質答英訳文章料理映画音世番号住約結美使切美味茶酒飯家族兄姉弟妹"
    ),
    "Korean": (
        "이다는의에가을고하지로기한도사를은들어서아나리대인시그자일스정있니해수게여제보라부요만주것전구안장상면유오원과동적소우성선비마치신문되경"
        "했공국할모세위습미거내러때무방물당중년생연었트조실김용진관계개회현와결발업산단체입터야분히음력간까학활양화차명네불바드말금행려건란속워않노"
        "교받더후합없같저녕감합색질답번역영안녕세요까좋싫먹밥물집책길꽃봄여름가을겨울눈비람친구엄빠형누나동생빨간파란검흰고양강새물고기쓰읽듣살"
        "울서부산점심침녁늘제어오내일월화수목토년월십백천만원값싸비싼맛있멋예쁜크작많적른왼쪽앞뒤위아래안밖"
    ),
}
"""The characters that texts of a language are mostly written with, besides kana."""

OPENING, CLOSING = "“‘„‚«‹¿¡「『（《【", "”’»›」』）》】"
"""Quotation marks and brackets that stand before a word, and after one."""
DASHES = "–—"
"""Signs that stand between blanks, or between words without any."""
INSIDE_WORDS = "’·\xad‑–—…´\xa0"
"""Signs that may stand between two letters."""
COMMON = set("“”‘’„‚«»‹›–—…€£§°©®™•·½¼¾²³¿¡ªº×±µ\xa0´\xad")
"""Signs that are common in texts of alphabets."""
WIDE = set("，。、！？：；「」『』（）《》【】・〜ー“”‘’…—　％～－＋＝／·")
"""Signs that are common in Chinese, Japanese and Korean."""
