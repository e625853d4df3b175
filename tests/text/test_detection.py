"""In which script and language people write, found out: every record, its neighbours, and what was misread."""

import re
import unicodedata

import pytest

from asr_helpers.text.detection import find_writing
from asr_helpers.text.languages import LANGUAGES, language_of
from asr_helpers.text.sentences import script_name

SENTENCES = {
    "ur": "یہ لڑکا ہر روز اسکول جاتا ہے۔ ہم نے کل بازار سے پھل خریدے۔ وہ آج گھر میں نہیں ہے۔ کیا آپ کو یہ پسند ہے؟",
    "fa": "این کتاب را دیروز از بازار خریدم. او در خانه نیست. آیا شما هم با ما می‌آیید؟ هوا امروز خیلی سرد است.",
    "ar": "ذهب الولد إلى المدرسة في الصباح. هذا كتاب جديد على الطاولة. لا أعرف متى تعود أختي. هل قرأت هذه القصة؟",
    "ps": "زه هره ورځ ښوونځي ته ځم. دا کتاب په مېز باندې دی. هغه نن په کور کې نه دی. تاسو څه کوئ؟",
    "sd": "هي ڇوڪرو روز اسڪول ويندو آهي. مون ڪالهه بازار مان ميوو ورتو. هو اڄ گهر ۾ نه آهي. توهان جو نالو ڇا آهي؟",
    "pa-Arab": "ایہہ منڈا روز سکول جاندا اے۔ اساں کل بزار توں آئے سی۔ اوہ اج گھر وچ نئیں اے۔ توں کتھے دا ایں؟",
    "pa": "ਇਹ ਮੁੰਡਾ ਰੋਜ਼ ਸਕੂਲ ਜਾਂਦਾ ਹੈ।",
    "hi": "यह लड़का रोज़ स्कूल जाता है। हमने कल बाज़ार से फल खरीदे। वह आज घर में नहीं है।",
    "bn": "আমি প্রতিদিন স্কুলে যাই। সে বাজার থেকে ফল কিনেছে এবং আমার জন্য একটি বই এনেছে।",
    "ta": "நான் தினமும் பள்ளிக்குச் செல்கிறேன்.",
    "ru": "Этот мальчик каждый день ходит в школу. Я не знаю, что он делает. Мы были дома, но она уже ушла.",
    "th": "เด็กคนนี้ไปโรงเรียนทุกวัน",
    "zh": "这个孩子每天去学校。我昨天在市场买了水果。",
    "ja": "この子は毎日学校に行きます。昨日、市場で果物を買いました。",
    "de": "Der Junge geht jeden Tag in die Schule. Ich weiß nicht, wann sie zurückkommt. Das ist ein gutes Buch.",
    "fr": "Le garçon va à l'école tous les jours. Je ne sais pas quand elle revient. Les livres sont dans le sac.",
    "en": "The boy goes to school every day. I do not know when she will be back. This is a book that he likes.",
    "tr": "Bu çocuk her gün okula gidiyor. Dün pazardan meyve aldım ama çok pahalıydı. Bir kitap ve bir defter.",
    "vi": "Cậu bé này đi học mỗi ngày. Tôi không biết khi nào cô ấy về. Đây là một cuốn sách của tôi.",
}

NEIGHBOURS = {
    # languages without a record, in the script and often with the words of one that has
    "marathi": ("devanagari", "तो मुलगा रोज शाळेत जातो. मला हे पुस्तक आवडते आणि ते घरात आहे."),
    "nepali": ("devanagari", "यो केटा हरेक दिन विद्यालय जान्छ। म हिजो बजार गएको थिएँ र फलफूल किनें।"),
    "bulgarian": (
        "cyrillic",
        "Това момче ходи на училище всеки ден. Вчера купих плодове от пазара и се върнах у дома.",
    ),
    "ukrainian": ("cyrillic", "Цей хлопець щодня ходить до школи. Я не знаю, коли вона повернеться, і де її книга."),
    "uyghur": ("arabic", "بۇ بالا ھەر كۈنى مەكتەپكە بارىدۇ. مەن تۈنۈگۈن بازاردىن مېۋە ئالدىم."),
    "kurdish": ("arabic", "ئەم کوڕە هەموو ڕۆژێک دەچێت بۆ قوتابخانە. من دوێنێ لە بازاڕ میوەم کڕی."),
    "dutch": ("latin", "De jongen gaat elke dag naar school. Ik weet niet wanneer ze terugkomt. Dat is een goed boek."),
    "spanish": ("latin", "El niño va a la escuela todos los días. No sé cuándo vuelve. Los libros están en la mesa."),
    "azerbaijani": ("latin", "Bu oğlan hər gün məktəbə gedir. Mən dünən bazardan meyvə aldım və evə qayıtdım."),
    "greek": ("greek", "Το αγόρι πηγαίνει στο σχολείο κάθε μέρα."),
}


def lines(text):
    return [part.strip() for part in re.split(r"(?<=[.।۔。؟?])", text) if part.strip()]


@pytest.mark.parametrize("code", SENTENCES)
def test_the_language_is_found_by_its_letters_and_words(code):
    found = find_writing(lines(SENTENCES[code]))
    assert (found.language, found.script) == (code, language_of(code).script), found.told
    assert language_of(code).name in found.told and found.told.startswith(f"script: {script_name(found.script)} (")


def test_every_record_has_its_sentences():
    assert set(SENTENCES) == set(LANGUAGES) - {"none"}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_a_language_without_a_record_is_not_taken_for_another(name):
    script, text = NEIGHBOURS[name]
    found = find_writing(lines(text))
    assert (found.language, found.script) == ("none", script), found.told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ur", "ایک دو تین چار پانچ چھ سات آٹھ نو دس"),
        ("ur", "دروازہ گھڑی کھڑکی ٹوکری کرسی"),
        ("ps", "یو دوه درې څلور پنځه شپږ اووه اته نهه لس"),
        ("sd", "ھڪ ٻه ٽي چار پنج ڇهه ست اٺ نو ڏهه"),
        ("ar", "واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة"),
        ("none", "یک دو سه چهار پنج شش هفت هشت نه ده"),  # no letter that is Persian alone
        ("none", "eins zwei drei vier fünf sechs sieben"),
    ],
)
def test_single_words_are_told_by_letters_or_not_at_all(code, words):
    assert find_writing(words.split()).language == code


def test_a_foreign_keyboard_hides_no_language():
    arabic = str.maketrans("یکہھ", "يكهه")
    assert find_writing(lines(SENTENCES["ur"].translate(arabic))).language == "ur"
    assert find_writing(lines(SENTENCES["fa"].translate(arabic))).language == "fa"
    assert find_writing([unicodedata.normalize("NFD", line) for line in lines(SENTENCES["vi"])]).language == "vi"


@pytest.mark.parametrize(
    ("code", "page", "read_as"),
    [
        ("ur", "utf-8", "cp1252"), ("de", "utf-8", "cp1252"), ("hi", "utf-8", "cp1252"), ("ru", "cp1251", "cp1252"),
        ("ru", "koi8-r", "cp1252"), ("th", "cp874", "cp1252"), ("ar", "cp1256", "cp1252"),
    ],
)  # fmt: skip
def test_a_misread_corpus_has_the_language_it_was_written_in(code, page, read_as):
    """So that the check of transcripts can say what is wrong with it."""
    data = [line.encode(page) for line in lines(SENTENCES[code])]
    misread = ["".join(bytes([b]).decode(read_as, errors="ignore") or chr(b) for b in line) for line in data]
    assert misread != lines(SENTENCES[code])
    assert find_writing(misread)[:2] == (code, language_of(code).script)


def test_what_is_given_is_taken():
    german = lines(SENTENCES["de"])
    assert find_writing(german, language="fr").language == "fr" and "as set" in find_writing(german, language="fr").told
    assert find_writing(german, script="")[:2] == ("de", "")
    assert find_writing(german, language="none").script == "latin"
    assert find_writing(german, language="ur").script == "arabic"  # and then every transcript is of the wrong script
    with pytest.raises(ValueError, match="language is 'klingon'; use one of 'ur'"):
        find_writing(german, language="klingon")


@pytest.mark.parametrize("texts", [[], [""], ["123 ?!"]])
def test_nothing_written_has_no_script(texts):
    assert find_writing(texts)[:2] == ("none", "")
